package compat

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// external registers a service at a node that no agent runs on.
func external(t *testing.T, client *api.Client, node, service, address string) {
	t.Helper()
	_, err := client.Catalog().Register(&api.CatalogRegistration{
		Node: node, Address: address, NodeMeta: map[string]string{"external": node},
		Service: &api.AgentService{ID: service + "-id", Service: service, Port: 443, Tags: []string{node}},
		Check:   &api.AgentCheck{CheckID: node + "-alive", Name: "alive", Status: api.HealthPassing},
	}, nil)
	must(t, err)
	t.Cleanup(func() { _, _ = client.Catalog().Deregister(&api.CatalogDeregistration{Node: node}, nil) })
}

func TestCatalogOfExternalNodes(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	external(t, first, service+"-n2", service, "192.0.2.2")
	external(t, second, service+"-n1", service, "192.0.2.1")
	rows, meta, err := third.Catalog().Service(service, "", nil)
	must(t, err)
	equal(t, len(rows), 2, "rows")
	equal(t, meta.LastIndex > 0, true, "index")
	equal(t, rows[0].Node, service+"-n1", "first node")
	equal(t, rows[1].Address, "192.0.2.2", "second address")
	equal(t, rows[1].NodeMeta["external"], service+"-n2", "metadata of the node")
	equal(t, rows[1].ServicePort, 443, "port")
	services, _, err := third.Catalog().Services(nil)
	must(t, err)
	same(t, services[service], []string{service + "-n1", service + "-n2"}, "tags of the service")
	equal(t, services["consul"] != nil, true, "consul is a service")
	options := &api.QueryOptions{NodeMeta: map[string]string{"external": service + "-n1"}}
	nodes, _, err := first.Catalog().Nodes(options)
	must(t, err)
	equal(t, len(nodes), 1, "nodes with that metadata")
	node, _, err := second.Catalog().Node(service+"-n1", nil)
	must(t, err)
	equal(t, node.Services[service+"-id"].Service, service, "service of the node")
	checks, _, err := first.Health().Node(service+"-n1", nil)
	must(t, err)
	equal(t, len(checks), 1, "checks of the node")

	_, err = third.Catalog().Deregister(&api.CatalogDeregistration{Node: service + "-n1", ServiceID: service + "-id"}, nil)
	must(t, err)
	rows, _, err = first.Catalog().Service(service, "", nil)
	must(t, err)
	equal(t, len(rows), 1, "rows after one was deregistered")
	_, err = first.Catalog().Deregister(&api.CatalogDeregistration{Node: service + "-n2"}, nil)
	must(t, err)
	node, _, err = second.Catalog().Node(service+"-n2", nil)
	must(t, err)
	equal(t, node == nil, true, "a node that is gone is nil")
	services, _, err = second.Catalog().Services(nil)
	must(t, err)
	equal(t, services[service] == nil, true, "a service that is gone is not listed")
	_, err = first.Catalog().Register(&api.CatalogRegistration{Node: service, Address: "192.0.2.3", Datacenter: "dc2"}, nil)
	refused(t, err, "No path to datacenter")
}

func TestListOfServicesIsWatched(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	done := make(chan error, 1)
	_, meta, err := third.Catalog().Services(nil)
	must(t, err)
	go func() {
		for known := meta.LastIndex; ; {
			options := &api.QueryOptions{WaitIndex: known, WaitTime: time.Minute}
			services, meta, err := third.Catalog().Services(options)
			if err != nil || services[service] != nil {
				done <- err
				return
			}
			known = meta.LastIndex
		}
	}()
	register(t, first, &api.AgentServiceRegistration{Name: service})
	soon(t, done, "the new service in the list")
	must(t, second.Agent().ServiceDeregister(service))
	eventually(t, "the service left the list", func() bool {
		services, _, err := first.Catalog().Services(nil)
		must(t, err)
		return services[service] == nil
	})
}

func TestDatacenters(t *testing.T) {
	for _, client := range each(t) {
		names, err := client.Catalog().Datacenters()
		must(t, err)
		same(t, names, []string{"dc1"}, "datacenters")
	}
}
