package compat

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"testing"
)

// Clients keep their connections, and a request on one that the server has given up is lost.
func TestARefusedRequestLeavesItsConnection(t *testing.T) {
	for _, address := range addresses(t) {
		client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
		refused := []struct{ method, path string }{
			{"PUT", "/v1/kv/a?dc=elsewhere"}, {"PUT", "/v1/nothing/there"}, {"PATCH", "/v1/agent/self"},
			{"PUT", "/v1/agent/service/register"}, {"PUT", "/v1/kv/a?stale=x&cas=1&acquire=y"},
		}
		for number, each := range refused {
			body := strings.NewReader("{" + strings.Repeat(" ", 100_000))
			request, err := http.NewRequest(each.method, "http://"+address+each.path, body)
			must(t, err)
			reused := false
			request = request.WithContext(httptrace.WithClientTrace(request.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
			}))
			answer, err := client.Do(request)
			must(t, err)
			_, err = io.Copy(io.Discard, answer.Body)
			must(t, err)
			must(t, answer.Body.Close())
			equal(t, answer.StatusCode >= 400, true, each.path+" is refused")
			equal(t, reused, number > 0, each.path+" on the same connection")
		}
	}
}
