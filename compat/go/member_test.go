package compat

import (
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// leader finds who leads, and a client of it alone.
func leader(t *testing.T) (uint64, *clientv3.Client) {
	t.Helper()
	for _, endpoint := range endpoints(t) {
		client := connect(t, endpoint)
		status, err := client.Status(limit(t), endpoint)
		must(t, err)
		if status.Leader == status.Header.MemberId {
			return status.Leader, client
		}
	}
	return 0, nil
}

func TestMoveLeader(t *testing.T) {
	list, err := all(t).MemberList(limit(t))
	must(t, err)
	for _, member := range list.Members {
		eventually(t, "leadership where it was sent", func() bool {
			now, client := leader(t)
			if client == nil {
				return false
			}
			if now == member.ID {
				return true
			}
			_, err := client.MoveLeader(limit(t), member.ID)
			return err == nil
		})
		put(t, all(t), prefix(t)+"k", "v")
	}
	_, client := leader(t)
	if client == nil {
		t.Skip("leadership moved meanwhile")
	}
	_, err = client.MoveLeader(limit(t), 0xabcdef)
	is(t, err, rpctypes.ErrBadLeaderTransferee)
	for _, endpoint := range endpoints(t) {
		follower := connect(t, endpoint)
		status, err := follower.Status(limit(t), endpoint)
		must(t, err)
		if status.Leader != status.Header.MemberId {
			_, err = follower.MoveLeader(limit(t), status.Header.MemberId)
			is(t, err, rpctypes.ErrNotLeader)
		}
	}
}

func TestMembersAreRefused(t *testing.T) {
	client := all(t)
	list, err := client.MemberList(limit(t))
	must(t, err)
	first, second := list.Members[0], list.Members[1]
	_, err = client.MemberAdd(limit(t), second.PeerURLs)
	is(t, err, rpctypes.ErrPeerURLExist)
	_, err = client.MemberUpdate(limit(t), first.ID, second.PeerURLs)
	is(t, err, rpctypes.ErrPeerURLExist)
	_, err = client.MemberPromote(limit(t), first.ID)
	is(t, err, rpctypes.ErrMemberNotLearner)
	_, err = client.MemberRemove(limit(t), 0xabcdef)
	is(t, err, rpctypes.ErrMemberNotFound)
	_, err = client.MemberPromote(limit(t), 0xabcdef)
	is(t, err, rpctypes.ErrMemberNotFound)
}

// A learner that never comes: it is in the list, does not count, and is removed again.
func TestALearnerThatNeverComes(t *testing.T) {
	client := all(t)
	added, err := client.MemberAddAsLearner(limit(t), []string{"http://127.0.0.1:1"})
	must(t, err)
	equal(t, added.Member.IsLearner, true, "learner")
	equal(t, len(added.Members), 4, "members")
	_, err = client.MemberPromote(limit(t), added.Member.ID)
	is(t, err, rpctypes.ErrMemberLearnerNotReady)
	put(t, client, prefix(t)+"k", "v")
	removed, err := client.MemberRemove(limit(t), added.Member.ID)
	must(t, err)
	equal(t, len(removed.Members), 3, "members")
	_, err = client.MemberRemove(limit(t), added.Member.ID)
	is(t, err, rpctypes.ErrMemberNotFound)
}
