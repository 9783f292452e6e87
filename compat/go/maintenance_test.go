package compat

import (
	"bytes"
	"crypto/sha256"
	"io"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func TestHashKVIsTheSameOnEveryNode(t *testing.T) {
	clients, key := each(t), prefix(t)
	var revision int64
	for range 20 {
		put, err := clients[0].Put(limit(t), key, "value")
		must(t, err)
		revision = put.Header.Revision
	}
	var first *clientv3.HashKVResponse
	for at, client := range clients {
		_, err := client.Get(limit(t), key)
		must(t, err)
		hash, err := client.HashKV(limit(t), endpoints(t)[at], revision)
		must(t, err)
		if first == nil {
			first = hash
		}
		if hash.Hash != first.Hash || hash.CompactRevision != first.CompactRevision {
			t.Fatalf("node %d: %v, node 0: %v", at, hash, first)
		}
	}
	_, err := clients[0].HashKV(limit(t), endpoints(t)[0], revision+1_000_000)
	is(t, err, rpctypes.ErrFutureRev)
}

func TestSnapshotIsWhole(t *testing.T) {
	// One node: a snapshot is of what the node that is asked has applied.
	client, key := each(t)[0], prefix(t)
	_, err := client.Put(limit(t), key, string(bytes.Repeat([]byte("x"), 100_000)))
	must(t, err)
	reader, err := client.Snapshot(limit(t))
	must(t, err)
	defer func() { _ = reader.Close() }()
	content, err := io.ReadAll(reader)
	must(t, err)
	file, sum := content[:len(content)-sha256.Size], content[len(content)-sha256.Size:]
	if want := sha256.Sum256(file); !bytes.Equal(sum, want[:]) {
		t.Fatalf("the checksum is %x, want %x", sum, want)
	}
	if len(file)%4096 != 0 || len(file) < 100_000 || !bytes.Contains(file, []byte(key)) {
		t.Fatalf("a file of %d bytes without the key", len(file))
	}
}

func TestNoSpaceAlarmStopsPutsOnly(t *testing.T) {
	clients, key := each(t), prefix(t)
	client := clients[0]
	_, err := client.Put(limit(t), key, "value")
	must(t, err)
	status, err := client.Status(limit(t), endpoints(t)[0])
	must(t, err)
	request := &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: status.Header.MemberId, Alarm: pb.AlarmType_NOSPACE,
	}
	raw := pb.NewMaintenanceClient(client.ActiveConnection())
	t.Cleanup(func() {
		_, err := client.AlarmDisarm(limit(t), &clientv3.AlarmMember{})
		must(t, err)
		_, err = clients[1].Put(limit(t), key, "room again")
		must(t, err)
	})
	raised, err := raw.Alarm(limit(t), request)
	must(t, err)
	if len(raised.Alarms) != 1 || raised.Alarms[0].MemberID != status.Header.MemberId {
		t.Fatalf("raised: %v", raised.Alarms)
	}
	list, err := clients[1].AlarmList(limit(t))
	must(t, err)
	if len(list.Alarms) != 1 || list.Alarms[0].Alarm != pb.AlarmType_NOSPACE {
		t.Fatalf("listed: %v", list.Alarms)
	}
	_, err = clients[2].Put(limit(t), key, "no room")
	is(t, err, rpctypes.ErrNoSpace)
	_, err = client.Txn(limit(t)).Then(clientv3.OpPut(key, "no room")).Commit()
	is(t, err, rpctypes.ErrNoSpace)
	_, err = client.Grant(limit(t), 60)
	is(t, err, rpctypes.ErrNoSpace)
	got, err := client.Get(limit(t), key)
	must(t, err)
	if string(got.Kvs[0].Value) != "value" {
		t.Fatalf("read %v", got.Kvs)
	}
	_, err = client.Delete(limit(t), key)
	must(t, err)
	status, err = client.Status(limit(t), endpoints(t)[0])
	must(t, err)
	if len(status.Errors) != 1 {
		t.Fatalf("errors: %v", status.Errors)
	}
}

func TestDefragmentAnswers(t *testing.T) {
	client := all(t)
	for _, endpoint := range endpoints(t) {
		_, err := client.Defragment(limit(t), endpoint)
		must(t, err)
	}
}

func TestStatusIsComplete(t *testing.T) {
	client := all(t)
	for _, endpoint := range endpoints(t) {
		status, err := client.Status(limit(t), endpoint)
		must(t, err)
		if status.Leader == 0 || status.DbSize <= 0 || status.DbSizeInUse <= 0 || len(status.Errors) != 0 {
			t.Fatalf("%s: %v", endpoint, status)
		}
		if status.RaftAppliedIndex == 0 || status.RaftIndex < status.RaftAppliedIndex || status.IsLearner {
			t.Fatalf("%s: %v", endpoint, status)
		}
	}
}
