package compat

import (
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestEventsAreHeardByEveryNode(t *testing.T) {
	first, second, third := three(t)
	id, _, err := first.Event().Fire(&api.UserEvent{Name: name(t), Payload: []byte("now")}, nil)
	must(t, err)
	for _, client := range []*api.Client{first, second, third} {
		eventually(t, "the event", func() bool {
			events, meta, err := client.Event().List(name(t), nil)
			must(t, err)
			if len(events) == 0 {
				return false
			}
			equal(t, events[0].ID, id, "id")
			equal(t, string(events[0].Payload), "now", "payload")
			equal(t, meta.LastIndex, client.Event().IDToIndex(id), "index of the last event")
			return true
		})
		events, _, err := client.Event().List(name(t)+"-other", nil)
		must(t, err)
		equal(t, len(events), 0, "events of another name")
	}
}
