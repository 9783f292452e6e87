package compat

import (
	"testing"

	"github.com/hashicorp/consul/api"
)

func nodeOp(verb api.NodeOp, node string, index uint64) *api.TxnOp {
	record := api.Node{Node: node, Address: "10.9.8.7", ModifyIndex: index}
	return &api.TxnOp{Node: &api.NodeTxnOp{Verb: verb, Node: record}}
}

func serviceOp(verb api.ServiceOp, node, service string, port int, index uint64) *api.TxnOp {
	record := api.AgentService{ID: service + "-1", Service: service, Port: port, ModifyIndex: index}
	return &api.TxnOp{Service: &api.ServiceTxnOp{Verb: verb, Node: node, Service: record}}
}

func checkOp(verb api.CheckOp, node, id, service, status string, index uint64) *api.TxnOp {
	record := api.HealthCheck{Node: node, CheckID: id, ServiceID: service, Status: status, ModifyIndex: index}
	return &api.TxnOp{Check: &api.CheckTxnOp{Verb: verb, Check: record}}
}

// A whole service with its key comes and goes in one step, and is never there in part.
func TestTransactionOverCatalogAndKeys(t *testing.T) {
	service := name(t)
	node, key := service+"-node", service+"/config"
	first, second, third := three(t)
	kv := func(verb api.KVOp, index uint64) *api.TxnOp {
		return &api.TxnOp{KV: &api.KVTxnOp{Verb: verb, Key: key, Value: []byte("v"), Index: index}}
	}
	id := service + "-1"
	done, answer, _, err := first.Txn().Txn(api.TxnOps{
		nodeOp(api.NodeCAS, node, 0),
		serviceOp(api.ServiceSet, node, service, 80, 0),
		checkOp(api.CheckSet, node, "alive", id, "passing", 0),
		kv(api.KVCAS, 0),
		serviceOp(api.ServiceGet, node, service, 0, 0),
	}, nil)
	must(t, err)
	equal(t, done, true, "done")
	equal(t, len(answer.Results), 5, "results")
	index := answer.Results[0].Node.ModifyIndex
	equal(t, answer.Results[1].Service.ModifyIndex, index, "the service's index")
	equal(t, answer.Results[2].Check.ModifyIndex, index, "the check's index")
	equal(t, answer.Results[3].KV.ModifyIndex, index, "the key's index")
	equal(t, answer.Results[4].Service.Port, 80, "a read sees the writes before it")
	fresh := &api.QueryOptions{RequireConsistent: true}
	entries, _, err := second.Health().Service(service, "", true, fresh)
	must(t, err)
	equal(t, len(entries), 1, "instances that pass")
	equal(t, entries[0].Node.Address, "10.9.8.7", "address")

	// One stale index, and nothing of the others is done.
	done, answer, _, err = third.Txn().Txn(api.TxnOps{
		checkOp(api.CheckSet, node, "alive", id, "critical", 0),
		serviceOp(api.ServiceCAS, node, service, 81, index+7),
		nodeOp(api.NodeDelete, node, 0),
		nodeOp(api.NodeGet, node, 0),
		kv(api.KVDelete, 0),
	}, nil)
	must(t, err)
	equal(t, done, false, "done")
	equal(t, len(answer.Results), 0, "results of what was not done")
	equal(t, len(answer.Errors), 2, "every failing operation is named")
	equal(t, answer.Errors[0].OpIndex, 1, "the first that failed")
	equal(t, answer.Errors[1].OpIndex, 3, "the second that failed")
	refused(t, errorOf(answer.Errors[0].What), "failed to set service", "index is stale")
	refused(t, errorOf(answer.Errors[1].What), "doesn't exist")
	entries, meta, err := first.Health().Service(service, "", true, fresh)
	must(t, err)
	equal(t, len(entries), 1, "instances that pass, still")
	equal(t, entries[0].Service.Port, 80, "port")

	// Who waits for the service is woken by the transaction that takes it all away.
	woken := make(chan int, 1)
	go func() {
		wait := &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: patience}
		entries, _, err := third.Health().Service(service, "", false, wait)
		if err != nil {
			entries = make([]*api.ServiceEntry, 99)
		}
		woken <- len(entries)
	}()
	done, answer, _, err = second.Txn().Txn(api.TxnOps{
		serviceOp(api.ServiceDeleteCAS, node, service, 0, index),
		nodeOp(api.NodeDeleteCAS, node, index),
		kv(api.KVDeleteCAS, index),
	}, nil)
	must(t, err)
	equal(t, done, true, "done")
	equal(t, len(answer.Results), 0, "deleting answers nothing")
	equal(t, <-woken, 0, "instances that are left")
	found, _, err := first.Catalog().Node(node, fresh)
	must(t, err)
	equal(t, found == nil, true, "the node is gone")
	equal(t, get(t, first, key) == nil, true, "the key is gone")
}
