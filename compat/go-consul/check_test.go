package compat

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// standing gives how the checks of a service stand, by the part of their id after its name.
func standing(t *testing.T, client *api.Client, service string) map[string]*api.HealthCheck {
	t.Helper()
	checks, _, err := client.Health().Checks(service, nil)
	must(t, err)
	found := map[string]*api.HealthCheck{}
	for _, check := range checks {
		found[strings.TrimPrefix(check.CheckID, service+"-")] = check
	}
	return found
}

func stands(t *testing.T, client *api.Client, service, check, status string) *api.HealthCheck {
	t.Helper()
	eventually(t, check+" is "+status, func() bool { return standing(t, client, service)[check].Status == status })
	return standing(t, client, service)[check]
}

func TestClusterMakesTheChecks(t *testing.T) {
	t.Parallel()
	service := name(t)
	first, second, third := three(t)
	var answer, asked atomic.Int64
	answer.Store(http.StatusNoContent)
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.Header.Get("X-Who") != "hiraeth" || request.Method != http.MethodPost {
			writer.WriteHeader(http.StatusTeapot)
			return
		}
		asked.Add(1)
		writer.Header().Set("Location", "/elsewhere")
		writer.WriteHeader(int(answer.Load()))
		_, _ = writer.Write([]byte("in these words"))
	}))
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	register(t, first, &api.AgentServiceRegistration{Name: service, Checks: api.AgentServiceChecks{
		{
			CheckID: service + "-http", HTTP: server.URL + "/health", Interval: "1s", Timeout: "500ms", Method: "POST",
			Header: map[string][]string{"X-Who": {"hiraeth"}},
		},
		{CheckID: service + "-tcp", TCP: listener.Addr().String(), Interval: "1s"},
		{CheckID: service + "-slow", HTTP: server.URL, Interval: "1h"},
	}})
	equal(t, standing(t, third, service)["slow"].Status, api.HealthCritical, "what was not looked at yet")
	got := stands(t, second, service, "http", api.HealthPassing)
	equal(t, got.Type, "http", "type")
	equal(t, strings.Contains(got.Output, "204"), true, "output: "+got.Output)
	stands(t, third, service, "tcp", api.HealthPassing)
	answer.Store(http.StatusTooManyRequests)
	got = stands(t, first, service, "http", api.HealthWarning)
	equal(t, strings.Contains(got.Output, "in these words"), true, "output: "+got.Output)
	answer.Store(http.StatusServiceUnavailable)
	stands(t, second, service, "http", api.HealthCritical)
	answer.Store(http.StatusOK)
	stands(t, third, service, "http", api.HealthPassing)
	answer.Store(http.StatusFound)
	stands(t, first, service, "http", api.HealthCritical)
	must(t, listener.Close())
	stands(t, second, service, "tcp", api.HealthCritical)

	// One of the nodes makes each check, and no other one makes it as well.
	before := asked.Load()
	time.Sleep(4 * time.Second)
	made := asked.Load() - before
	equal(t, made >= 2 && made <= 6, true, "made once a second by one node")
	must(t, third.Agent().ServiceDeregister(service))
	time.Sleep(1500 * time.Millisecond)
	before = asked.Load()
	time.Sleep(2 * time.Second)
	equal(t, asked.Load(), before, "asked after it was deregistered")
}

func TestChecksGoWhereTheyMay(t *testing.T) {
	first := each(t)[0]
	for words, check := range map[string]*api.AgentServiceCheck{
		"192.0.2.1 is in no network":                {HTTP: "http://192.0.2.1/", Interval: "10s"},
		"169.254.169.254 is in no network":          {TCP: "169.254.169.254:80", Interval: "10s"},
		"Scripts are disabled":                      {Args: []string{"true"}, Interval: "10s"},
		"Interval must be > 0":                      {HTTP: "http://127.0.0.1/"},
		"Interval and TTL cannot both be specified": {HTTP: "http://127.0.0.1/", Interval: "10s", TTL: "10s"},
		"Invalid check":                             {UDP: "127.0.0.1:1", Interval: "10s"},
	} {
		err := first.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: name(t), Check: check})
		refused(t, err, "400", words)
	}
}
