package compat

import (
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func TestRegistrationIsSeenThroughEveryNode(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{
		ID: service + ":1", Name: service, Address: "10.0.0.1", Port: 8080,
		Tags: []string{"v1", "blue"}, Meta: map[string]string{"zone": "a"},
		TaggedAddresses: map[string]api.ServiceAddress{"wan": {Address: "192.0.2.1", Port: 80}},
		Weights:         &api.AgentWeights{Passing: 10, Warning: 2},
		Check:           &api.AgentServiceCheck{TTL: "30s", Status: api.HealthPassing},
	})
	for _, client := range []*api.Client{first, second, third} {
		entries, meta, err := client.Health().Service(service, "", true, nil)
		must(t, err)
		same(t, ids(entries), []string{service + ":1"}, "instances")
		got := entries[0].Service
		equal(t, got.Address, "10.0.0.1", "address")
		equal(t, got.Port, 8080, "port")
		same(t, got.Tags, []string{"v1", "blue"}, "tags")
		equal(t, got.Meta["zone"], "a", "metadata")
		equal(t, got.TaggedAddresses["wan"], api.ServiceAddress{Address: "192.0.2.1", Port: 80}, "wan address")
		equal(t, got.Weights, api.AgentWeights{Passing: 10, Warning: 2}, "weights")
		equal(t, got.CreateIndex > 0 && got.CreateIndex <= got.ModifyIndex, true, "indexes of the instance")
		equal(t, meta.LastIndex >= got.ModifyIndex, true, "index of the answer")
		equal(t, meta.KnownLeader, true, "known leader")
		checks := map[string]string{}
		for _, check := range entries[0].Checks {
			checks[check.CheckID] = check.Status
		}
		equal(t, len(checks), 2, "checks")
		equal(t, checks["serfHealth"], api.HealthPassing, "the node's check")
		equal(t, checks["service:"+service+":1"], api.HealthPassing, "the instance's check")
	}
}

func TestAnyNodeTakesHeartbeatAndDeregistration(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{
		Name: service, Check: &api.AgentServiceCheck{TTL: "30s"},
	})
	same(t, healthy(t, third, service), []string{}, "passing before a heartbeat")
	must(t, second.Agent().PassTTL("service:"+service, "all is well"))
	same(t, healthy(t, third, service), []string{service}, "passing after a heartbeat")
	must(t, third.Agent().UpdateTTL("service:"+service, "slow", api.HealthWarning))
	checks, _, err := first.Health().Checks(service, nil)
	must(t, err)
	equal(t, len(checks), 1, "checks")
	equal(t, checks[0].Status, api.HealthWarning, "status")
	equal(t, checks[0].Output, "slow", "output")
	equal(t, checks[0].Name, fmt.Sprintf("Service '%s' check", service), "name of the check")
	equal(t, checks[0].Type, "ttl", "type of the check")
	must(t, second.Agent().FailTTL("service:"+service, "gone"))
	same(t, healthy(t, first, service), []string{}, "passing after a failure")
	must(t, third.Agent().ServiceDeregister(service))
	entries, _, err := first.Health().Service(service, "", false, nil)
	must(t, err)
	same(t, ids(entries), []string{}, "instances after the deregistration")
}

func TestSilenceIsCritical(t *testing.T) {
	t.Parallel()
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{
		Name: service, Check: &api.AgentServiceCheck{TTL: "2s"},
	})
	must(t, first.Agent().PassTTL("service:"+service, ""))
	began := time.Now()
	for time.Since(began) < 5*time.Second {
		same(t, healthy(t, third, service), []string{service}, "passing while heartbeats come")
		must(t, second.Agent().PassTTL("service:"+service, ""))
		time.Sleep(300 * time.Millisecond)
	}
	eventually(t, "critical in silence", func() bool { return len(healthy(t, third, service)) == 0 })
	must(t, second.Agent().PassTTL("service:"+service, ""))
	same(t, healthy(t, third, service), []string{service}, "passing again")
}

func TestBadRegistrationsAreRefused(t *testing.T) {
	for _, client := range each(t) {
		for words, check := range map[string]*api.AgentServiceCheck{
			"invalid duration": {TTL: "1s", DeregisterCriticalServiceAfter: "nope"},
			"fluffy":           {TTL: "1s", Status: "fluffy"},
			"400":              {Interval: "10s"},
		} {
			refused(t, client.Agent().ServiceRegister(&api.AgentServiceRegistration{Name: name(t), Check: check}), words)
		}
		refused(t, client.Agent().ServiceRegister(&api.AgentServiceRegistration{}), "400")
		same(t, healthy(t, client, name(t)), []string{}, "instances")
	}
}

func TestHeartbeatOfAnUnknownCheckIsAnError(t *testing.T) {
	for _, client := range each(t) {
		refused(t, client.Agent().UpdateTTL("service:"+name(t), "", api.HealthPassing), name(t))
		refused(t, client.Agent().PassTTL("service:"+name(t), ""), name(t))
		refused(t, client.Agent().ServiceDeregister(name(t)), name(t))
	}
}

func TestReplacingChecks(t *testing.T) {
	service := name(t)
	first, second, _ := three(t)
	// What has an address is the same instance, whichever node it is registered with.
	register(t, first, &api.AgentServiceRegistration{Name: service, Address: "10.0.0.9", Checks: api.AgentServiceChecks{
		{TTL: "30s"}, {CheckID: service + "-own", TTL: "30s"}, {TTL: "30s"},
	}})
	found := func() []string {
		checks, _, err := second.Health().Checks(service, nil)
		must(t, err)
		names := []string{}
		for _, check := range checks {
			names = append(names, check.CheckID)
		}
		return names
	}
	same(t, found(), []string{service + "-own", "service:" + service + ":1", "service:" + service + ":3"}, "checks")
	again := &api.AgentServiceRegistration{Name: service, Address: "10.0.0.9", Check: &api.AgentServiceCheck{TTL: "30s"}}
	must(t, second.Agent().ServiceRegisterOpts(again, api.ServiceRegisterOpts{ReplaceExistingChecks: true}))
	same(t, found(), []string{"service:" + service}, "checks after replacing")
}

func TestMaintenance(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{Name: service})
	same(t, healthy(t, third, service), []string{service}, "passing without any check")
	must(t, second.Agent().EnableServiceMaintenance(service, "new disk"))
	same(t, healthy(t, third, service), []string{}, "passing in maintenance")
	checks, _, err := first.Health().Checks(service, nil)
	must(t, err)
	equal(t, len(checks), 1, "checks")
	equal(t, checks[0].CheckID, "_service_maintenance:"+service, "check")
	equal(t, checks[0].Notes, "new disk", "notes")
	equal(t, checks.AggregatedStatus(), api.HealthMaint, "status in sum")
	must(t, third.Agent().DisableServiceMaintenance(service))
	same(t, healthy(t, first, service), []string{service}, "passing after maintenance")
	refused(t, first.Agent().EnableServiceMaintenance(name(t)+"-none", ""), "404")
}

func TestAgentListsWhatItsNodeHas(t *testing.T) {
	service := name(t)
	first := each(t)[0]
	register(t, first, &api.AgentServiceRegistration{
		ID: service + "#1/a b", Name: service, Port: 80, Check: &api.AgentServiceCheck{TTL: "30s"},
	})
	services, err := first.Agent().ServicesWithFilter(fmt.Sprintf("Service == %q", service))
	must(t, err)
	equal(t, len(services), 1, "services")
	got := services[service+"#1/a b"]
	equal(t, got != nil && got.Port == 80, true, "the service")
	checks, err := first.Agent().ChecksWithFilter(fmt.Sprintf("ServiceName == %q", service))
	must(t, err)
	equal(t, checks["service:"+service+"#1/a b"].Status, api.HealthCritical, "status of the check")
	status, all, err := first.Agent().AgentHealthServiceByName(service)
	must(t, err)
	equal(t, status, api.HealthCritical, "health by name")
	equal(t, len(all), 1, "instances by name")
	must(t, first.Agent().ServiceDeregister(service+"#1/a b"))
	status, _, err = first.Agent().AgentHealthServiceByName(service)
	must(t, err)
	equal(t, status, api.HealthCritical, "health of what is not there")
	services, err = first.Agent().ServicesWithFilter(fmt.Sprintf("Service == %q", service))
	must(t, err)
	equal(t, len(services), 0, "services after deregistration")
	_, err = first.Agent().ServicesWithFilter("Service is wrong")
	refused(t, err, "400")
}

func TestSelfAndMembers(t *testing.T) {
	clients := each(t)
	leader, err := clients[0].Status().Leader()
	must(t, err)
	peers, err := clients[0].Status().Peers()
	must(t, err)
	equal(t, len(peers), len(clients), "peers")
	names := map[string]bool{}
	for _, client := range clients {
		self, err := client.Agent().Self()
		must(t, err)
		equal(t, self["Config"]["Datacenter"], any("dc1"), "datacenter")
		names[self["Config"]["NodeName"].(string)] = true
		again, err := client.Status().Leader()
		must(t, err)
		equal(t, again, leader, "leader")
		members, err := client.Agent().Members(false)
		must(t, err)
		equal(t, len(members), len(clients), "members")
		for _, member := range members {
			equal(t, member.Status, 1, "status of a member")
		}
	}
	equal(t, len(names), len(clients), "names of nodes")
	configuration, err := clients[0].Operator().RaftGetConfiguration(nil)
	must(t, err)
	leaders := 0
	for _, server := range configuration.Servers {
		equal(t, server.Voter, true, "voter")
		if server.Leader {
			leaders++
		}
	}
	equal(t, len(configuration.Servers), len(clients), "servers")
	equal(t, leaders, 1, "leaders")
	_, err = clients[0].Status().LeaderWithQueryOptions(&api.QueryOptions{Datacenter: "elsewhere"})
	refused(t, err, "No path to datacenter")
}
