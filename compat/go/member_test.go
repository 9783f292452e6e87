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
