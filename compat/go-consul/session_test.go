package compat

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

func hold(t *testing.T, client *api.Client, key, session string) {
	t.Helper()
	done, _, err := client.KV().Acquire(&api.KVPair{Key: key, Value: []byte("held"), Session: session}, nil)
	must(t, err)
	equal(t, done, true, "acquired "+key)
}

func TestSessionThroughEveryNode(t *testing.T) {
	first, second, third := three(t)
	id, _, err := first.Session().Create(&api.SessionEntry{Name: name(t), TTL: "20s", LockDelay: 2 * time.Second}, nil)
	must(t, err)
	info, meta, err := second.Session().Info(id, nil)
	must(t, err)
	equal(t, meta.LastIndex > 0, true, "index")
	equal(t, info.Name, name(t), "name")
	equal(t, info.TTL, "20s", "time to live")
	equal(t, info.LockDelay, 2*time.Second, "lock delay")
	equal(t, info.Behavior, api.SessionBehaviorRelease, "behavior")
	same(t, info.NodeChecks, []string{"serfHealth"}, "checks")
	ofNode, _, err := third.Session().Node(info.Node, nil)
	must(t, err)
	all, _, err := third.Session().List(nil)
	must(t, err)
	for _, list := range [][]*api.SessionEntry{ofNode, all} {
		found := 0
		for _, entry := range list {
			if entry.ID == id {
				found++
			}
		}
		equal(t, found, 1, "in the list")
	}
	renewed, _, err := third.Session().Renew(id, nil)
	must(t, err)
	equal(t, renewed.ID, id, "renewed")
	_, err = second.Session().Destroy(id, nil)
	must(t, err)
	gone, _, err := first.Session().Info(id, nil)
	must(t, err)
	equal(t, gone == nil, true, "it is gone")
	renewed, _, err = first.Session().Renew(id, nil)
	must(t, err)
	equal(t, renewed == nil, true, "nothing to renew")
	equal(t, third.Session().RenewPeriodic("1s", id, nil, nil), api.ErrSessionExpired, "renewal that never ends")
}

func TestSessionEndsWithItsLocks(t *testing.T) {
	key := name(t)
	first, second, third := three(t)
	for _, behavior := range []string{api.SessionBehaviorRelease, api.SessionBehaviorDelete} {
		id, _, err := first.Session().CreateNoChecks(&api.SessionEntry{Behavior: behavior}, nil)
		must(t, err)
		hold(t, second, key+behavior, id)
		_, err = third.Session().Destroy(id, nil)
		must(t, err)
	}
	released := get(t, second, key+api.SessionBehaviorRelease)
	equal(t, released.Session, "", "holder")
	equal(t, string(released.Value), "held", "value")
	equal(t, get(t, second, key+api.SessionBehaviorDelete) == nil, true, "deleted with its session")
}

func TestSessionEndsInSilence(t *testing.T) {
	t.Parallel()
	key := name(t)
	first, second, third := three(t)
	silent, _, err := first.Session().CreateNoChecks(&api.SessionEntry{TTL: "10s"}, nil)
	must(t, err)
	renewed, _, err := first.Session().CreateNoChecks(&api.SessionEntry{TTL: "10s"}, nil)
	must(t, err)
	hold(t, second, key, silent)
	pair := get(t, third, key)
	done := make(chan struct{})
	go func() { _ = third.Session().RenewPeriodic("10s", renewed, nil, done) }()
	defer close(done)
	began := time.Now()
	options := &api.QueryOptions{WaitIndex: pair.ModifyIndex, WaitTime: time.Minute}
	pair, _, err = second.KV().Get(key, options)
	must(t, err)
	equal(t, pair.Session, "", "holder")
	took := time.Since(began)
	// Consul promises not before its time, and not after twice of it.
	equal(t, took > 9*time.Second && took < 21*time.Second, true, "ended in its time")
	info, _, err := first.Session().Info(renewed, nil)
	must(t, err)
	equal(t, info != nil, true, "the one that is renewed lives")
}

func TestSessionHangsOnItsCheck(t *testing.T) {
	service := name(t)
	first, second, third := three(t)
	register(t, first, &api.AgentServiceRegistration{Name: service, Check: &api.AgentServiceCheck{TTL: "30s"}})
	self, err := first.Agent().NodeName()
	must(t, err)
	entry := &api.SessionEntry{Node: self, ServiceChecks: []api.ServiceCheck{{ID: "service:" + service}}}
	_, _, err = first.Session().Create(entry, nil)
	refused(t, err, "critical")
	must(t, second.Agent().PassTTL("service:"+service, ""))
	id, _, err := first.Session().Create(entry, nil)
	must(t, err)
	hold(t, third, service, id)
	must(t, third.Agent().FailTTL("service:"+service, ""))
	equal(t, get(t, second, service).Session, "", "holder after its check failed")
	info, _, err := second.Session().Info(id, nil)
	must(t, err)
	equal(t, info == nil, true, "the session is gone")
}

func TestBadSessionsAreRefused(t *testing.T) {
	for _, client := range each(t) {
		_, _, err := client.Session().Create(&api.SessionEntry{TTL: "1s"}, nil)
		refused(t, err, "TTL")
		_, _, err = client.Session().Create(&api.SessionEntry{Node: name(t)}, nil)
		refused(t, err, "500")
		_, _, err = client.Session().Create(&api.SessionEntry{NodeChecks: []string{"none"}}, nil)
		refused(t, err, "none")
		_, _, err = client.Session().Create(&api.SessionEntry{Behavior: "forget"}, nil)
		refused(t, err, "ehavior")
	}
}
