package compat

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// watched is one answer of a blocking query, and how long it took.
type watched struct {
	instances []string
	index     uint64
	took      time.Duration
	err       error
}

// watch asks for a service, and waits until its index is beyond `index`.
func watch(client *api.Client, service string, index uint64, wait time.Duration) <-chan watched {
	answer := make(chan watched, 1)
	go func() {
		began := time.Now()
		options := &api.QueryOptions{WaitIndex: index, WaitTime: wait}
		entries, meta, err := client.Health().Service(service, "", true, options)
		if err != nil {
			answer <- watched{err: err}
			return
		}
		answer <- watched{ids(entries), meta.LastIndex, time.Since(began), nil}
	}()
	return answer
}

func index(t *testing.T, client *api.Client, service string) uint64 {
	t.Helper()
	_, meta, err := client.Health().Service(service, "", true, nil)
	must(t, err)
	equal(t, meta.LastIndex > 0, true, "index")
	return meta.LastIndex
}

func answered(t *testing.T, from <-chan watched) watched {
	t.Helper()
	select {
	case got := <-from:
		must(t, got.err)
		return got
	case <-time.After(patience):
		t.Fatalf("no answer within %v", patience)
		panic("unreachable")
	}
}

func TestBlockingQueryWakesAtOnceThroughEveryNode(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{ID: service + "-1", Name: service})
	known := index(t, first, service)
	var watches []<-chan watched
	for _, client := range []*api.Client{first, second, third} {
		watches = append(watches, watch(client, service, known, time.Minute))
	}
	time.Sleep(300 * time.Millisecond)
	began := time.Now()
	register(t, second, &api.AgentServiceRegistration{ID: service + "-2", Name: service})
	for _, each := range watches {
		got := answered(t, each)
		equal(t, time.Since(began) < atOnce, true, "woken at once")
		equal(t, got.took > 250*time.Millisecond, true, "it did wait")
		same(t, got.instances, []string{service + "-1", service + "-2"}, "instances")
		equal(t, got.index > known, true, "the index moved on")
	}
}

func TestBlockingQueryIsToldOfEveryKindOfChange(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	known := index(t, first, service)
	changes := []struct {
		what string
		do   func() error
		want []string
	}{
		{"the first instance", func() error {
			return first.Agent().ServiceRegister(&api.AgentServiceRegistration{
				Name: service, Check: &api.AgentServiceCheck{TTL: "30s"}})
		}, []string{}},
		{"a check that passes", func() error { return second.Agent().PassTTL("service:"+service, "") }, []string{service}},
		{"an output", func() error { return third.Agent().PassTTL("service:"+service, "new") }, []string{service}},
		{"maintenance", func() error { return first.Agent().EnableServiceMaintenance(service, "") }, []string{}},
		{"its end", func() error { return second.Agent().DisableServiceMaintenance(service) }, []string{service}},
		{"the last one going", func() error { return third.Agent().ServiceDeregister(service) }, []string{}},
	}
	for _, change := range changes {
		told := watch(third, service, known, time.Minute)
		time.Sleep(50 * time.Millisecond)
		began := time.Now()
		must(t, change.do())
		got := answered(t, told)
		equal(t, time.Since(began) < atOnce, true, change.what+": told at once")
		same(t, got.instances, change.want, change.what)
		equal(t, got.index > known, true, change.what+": the index moved on")
		known = got.index
	}
}

func TestBlockingQuerySleepsThroughOtherServices(t *testing.T) {
	t.Parallel()
	service := name(t)
	first, second, _ := three(t)
	register(t, first, &api.AgentServiceRegistration{ID: service + "-1", Name: service})
	known := index(t, first, service)
	told := watch(second, service, known, 2*time.Second)
	for other := range 20 {
		id := fmt.Sprintf("%s-other-%d", service, other)
		register(t, first, &api.AgentServiceRegistration{Name: id})
		_, err := first.KV().Put(&api.KVPair{Key: id}, nil)
		must(t, err)
	}
	got := answered(t, told)
	equal(t, got.index, known, "index")
	equal(t, got.took > time.Second, true, "it slept")
}

func TestBlockingQueryAnswersAtOrBeforeWait(t *testing.T) {
	t.Parallel()
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{Name: service})
	known := index(t, first, service)
	const wait = 1500 * time.Millisecond
	for _, client := range []*api.Client{first, second, third} {
		got := answered(t, watch(client, service, known, wait))
		same(t, got.instances, []string{service}, "instances")
		equal(t, got.index, known, "index")
		// Consul's own answers up to a sixteenth after `wait`, which clients' time-outs do not forgive.
		equal(t, got.took > wait-wait/8, true, "not much before `wait`")
		equal(t, got.took < wait+500*time.Millisecond, true, "not after `wait`")
	}
	got := answered(t, watch(first, service, known-1, time.Minute))
	equal(t, got.took < atOnce, true, "an old index is answered at once")
}

func TestCatalogAndHealthHaveOneOrder(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	for _, instance := range []string{"c", "a", "d", "b"} {
		register(t, first, &api.AgentServiceRegistration{ID: service + instance, Name: service, Tags: []string{instance}})
	}
	want := []string{service + "a", service + "b", service + "c", service + "d"}
	for _, client := range []*api.Client{first, second, third} {
		entries, _, err := client.Health().Service(service, "", false, nil)
		must(t, err)
		same(t, ids(entries), want, "health")
		rows, _, err := client.Catalog().Service(service, "", nil)
		must(t, err)
		found := []string{}
		for _, row := range rows {
			found = append(found, row.ServiceID)
		}
		same(t, found, want, "catalog")
		entries, _, err = client.Health().Service(service, "b", false, nil)
		must(t, err)
		same(t, ids(entries), want[1:2], "by tag")
		filter := &api.QueryOptions{Filter: fmt.Sprintf("c in Service.Tags or Service.ID == %q", service+"d")}
		entries, _, err = client.Health().Service(service, "", false, filter)
		must(t, err)
		same(t, ids(entries), want[2:], "by filter")
		_, _, err = client.Health().Service(service, "", false, &api.QueryOptions{Filter: "nothing of this"})
		refused(t, err, "400")
		_, _, err = client.Health().Service(service, "", false, &api.QueryOptions{Datacenter: "elsewhere"})
		refused(t, err, "No path to datacenter")
		stale, _, err := client.Health().Service(service, "", false, &api.QueryOptions{AllowStale: true})
		must(t, err)
		eventually(t, "a stale read sees it", func() bool { return len(stale) == len(want) })
		both := &api.QueryOptions{AllowStale: true, RequireConsistent: true}
		_, _, err = client.Health().Service(service, "", false, both)
		refused(t, err, "400")
	}
}

func TestHealthByState(t *testing.T) {
	service := name(t)
	first, second, _ := three(t)
	register(t, first, &api.AgentServiceRegistration{Name: service, Check: &api.AgentServiceCheck{TTL: "30s"}})
	count := func(state string) int {
		filter := &api.QueryOptions{Filter: fmt.Sprintf("ServiceName == %q", service)}
		checks, _, err := second.Health().State(state, filter)
		must(t, err)
		return len(checks)
	}
	equal(t, count(api.HealthCritical), 1, "critical")
	equal(t, count(api.HealthPassing), 0, "passing")
	must(t, first.Agent().PassTTL("service:"+service, ""))
	equal(t, count(api.HealthCritical), 0, "critical")
	equal(t, count(api.HealthPassing), 1, "passing")
	equal(t, count(api.HealthAny), 1, "any")
}
