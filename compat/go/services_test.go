package compat

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	epb "go.etcd.io/etcd/server/v3/etcdserver/api/v3election/v3electionpb"
	lpb "go.etcd.io/etcd/server/v3/etcdserver/api/v3lock/v3lockpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	hpb "google.golang.org/grpc/health/grpc_health_v1"
	rpb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
)

// What etcd's Go client has no words for, by generated clients: the services Lock and Election of etcd's
// server, gRPC's health and its reflection. ORIGINAL=1 says that the nodes are etcd's own.

// dial gives a connection to one node, whichever number is said.
func dial(t *testing.T, node int) *grpc.ClientConn {
	t.Helper()
	endpoints := endpoints(t)
	endpoint := endpoints[node%len(endpoints)]
	conn, err := grpc.Dial(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// line is the name of the test's lock or election.
func line(t *testing.T) []byte { return []byte(prefix(t) + "line") }

func leased(t *testing.T, etcd *clientv3.Client) int64 { return int64(grant(t, etcd, 30)) }

func refused(t *testing.T, err error, code codes.Code, words string) {
	t.Helper()
	equal(t, status.Code(err), code, "code of "+words)
	equal(t, status.Convert(err).Message(), words, "words")
}

// standing counts what stands in line.
func standing(t *testing.T, etcd *clientv3.Client) int {
	t.Helper()
	found, err := etcd.Get(limit(t), string(line(t))+"/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	must(t, err)
	return int(found.Count)
}

// Whoever asks on whichever node, one holds the lock at a time, and each in its turn.
func TestServiceLock(t *testing.T) {
	etcd := all(t)
	type held struct {
		number int
		answer *lpb.LockResponse
	}
	got := make(chan held, 3)
	var leases []int64
	for number := 0; number < 3; number++ {
		number, id := number, leased(t, etcd)
		leases = append(leases, id)
		go func() {
			answer, err := lpb.NewLockClient(dial(t, number)).Lock(limit(t), &lpb.LockRequest{Name: line(t), Lease: id})
			if err != nil {
				t.Error(err)
			}
			got <- held{number, answer}
		}()
		eventually(t, "it stands in line", func() bool { return standing(t, etcd) == number+1 })
	}
	for number := 0; number < 3; number++ {
		now := <-got
		equal(t, now.number, number, "whose turn it is")
		equal(t, string(now.answer.Key), fmt.Sprintf("%s/%x", line(t), leases[number]), "key")
		select {
		case other := <-got:
			t.Fatalf("%d holds it, too", other.number)
		case <-time.After(200 * time.Millisecond):
		}
		// The fencing key: its create revision names this holder.
		found, err := etcd.Get(limit(t), string(now.answer.Key))
		must(t, err)
		guard := clientv3.Compare(clientv3.CreateRevision(string(now.answer.Key)), "=", found.Kvs[0].CreateRevision)
		done, err := etcd.Txn(limit(t)).If(guard).Then(clientv3.OpPut(string(line(t)), fmt.Sprint(number))).Commit()
		must(t, err)
		equal(t, done.Succeeded, true, "the holder writes")
		_, err = lpb.NewLockClient(dial(t, number+1)).Unlock(limit(t), &lpb.UnlockRequest{Key: now.answer.Key})
		must(t, err)
	}
}

// The service and the client's own recipe take turns on one lock.
func TestServiceLockAndTheClientsOwn(t *testing.T) {
	etcd := all(t)
	session, err := concurrency.NewSession(etcd, concurrency.WithTTL(30))
	must(t, err)
	mutex := concurrency.NewMutex(session, string(line(t)))
	must(t, mutex.Lock(limit(t)))
	got := make(chan *lpb.LockResponse, 1)
	id := leased(t, etcd)
	go func() {
		answer, err := lpb.NewLockClient(dial(t, 0)).Lock(limit(t), &lpb.LockRequest{Name: line(t), Lease: id})
		if err != nil {
			t.Error(err)
		}
		got <- answer
	}()
	eventually(t, "both stand in line", func() bool { return standing(t, etcd) == 2 })
	select {
	case <-got:
		t.Fatal("the mutex is held by its own recipe")
	case <-time.After(200 * time.Millisecond):
	}
	must(t, mutex.Unlock(limit(t)))
	held := <-got
	equal(t, mutex.TryLock(limit(t)), concurrency.ErrLocked, "the service's is respected")
	_, err = lpb.NewLockClient(dial(t, 1)).Unlock(limit(t), &lpb.UnlockRequest{Key: held.Key})
	must(t, err)
	must(t, mutex.Lock(limit(t)))
	must(t, mutex.Unlock(limit(t)))
}

func TestServiceLockOfWhoGoes(t *testing.T) {
	etcd := all(t)
	service := lpb.NewLockClient(dial(t, 0))
	_, err := service.Lock(limit(t), &lpb.LockRequest{Name: line(t), Lease: leased(t, etcd)})
	must(t, err)
	short, cancel := context.WithCancel(limit(t))
	waits := make(chan error, 1)
	id := leased(t, etcd)
	go func() {
		_, err := service.Lock(short, &lpb.LockRequest{Name: line(t), Lease: id})
		waits <- err
	}()
	eventually(t, "it waits", func() bool { return standing(t, etcd) == 2 })
	cancel()
	equal(t, status.Code(<-waits), codes.Canceled, "code")
	eventually(t, "its key goes", func() bool { return standing(t, etcd) == 1 })
	_, err = service.Lock(limit(t), &lpb.LockRequest{Name: line(t), Lease: 7777})
	refused(t, err, codes.Unknown, "etcdserver: requested lease not found")
}

func TestServiceElection(t *testing.T) {
	etcd := all(t)
	service := epb.NewElectionClient(dial(t, 0))
	_, err := service.Leader(limit(t), &epb.LeaderRequest{Name: line(t)})
	refused(t, err, codes.Unknown, "election: no leader")
	observed, err := epb.NewElectionClient(dial(t, 1)).Observe(limit(t), &epb.LeaderRequest{Name: line(t)})
	must(t, err)
	next := func() string {
		t.Helper()
		answer, err := observed.Recv()
		must(t, err)
		return string(answer.Kv.Value)
	}
	first, err := service.Campaign(limit(t), &epb.CampaignRequest{Name: line(t), Lease: leased(t, etcd), Value: []byte("a")})
	must(t, err)
	equal(t, next(), "a", "observed")
	// The second candidate is one of the client's own recipe.
	session, err := concurrency.NewSession(etcd, concurrency.WithTTL(30))
	must(t, err)
	second := concurrency.NewElection(session, string(line(t)))
	won := make(chan error, 1)
	go func() { won <- second.Campaign(limit(t), "b") }()
	eventually(t, "both stand", func() bool { return standing(t, etcd) == 2 })
	_, err = service.Proclaim(limit(t), &epb.ProclaimRequest{Leader: first.Leader, Value: []byte("a2")})
	must(t, err)
	equal(t, next(), "a2", "observed")
	_, err = service.Resign(limit(t), &epb.ResignRequest{Leader: first.Leader})
	must(t, err)
	must(t, <-won)
	equal(t, next(), "b", "observed")
	_, err = service.Proclaim(limit(t), &epb.ProclaimRequest{Leader: first.Leader, Value: []byte("a3")})
	refused(t, err, codes.Unknown, "election: not leader")
	leader, err := service.Leader(limit(t), &epb.LeaderRequest{Name: line(t)})
	must(t, err)
	equal(t, leader.Kv.CreateRevision, second.Rev(), "who leads")
	must(t, second.Resign(limit(t)))
	_, err = service.Proclaim(limit(t), &epb.ProclaimRequest{})
	refused(t, err, codes.Unknown, "\"leader\" field must be provided")
}

func TestServiceHealth(t *testing.T) {
	service := hpb.NewHealthClient(dial(t, 0))
	answer, err := service.Check(limit(t), &hpb.HealthCheckRequest{})
	must(t, err)
	equal(t, answer.Status, hpb.HealthCheckResponse_SERVING, "the server")
	watch, err := service.Watch(limit(t), &hpb.HealthCheckRequest{})
	must(t, err)
	seen, err := watch.Recv()
	must(t, err)
	equal(t, seen.Status, hpb.HealthCheckResponse_SERVING, "watched")
	_, err = service.Check(limit(t), &hpb.HealthCheckRequest{Service: "nobody"})
	refused(t, err, codes.NotFound, "unknown service")
	if os.Getenv("ORIGINAL") != "" {
		return
	}
	answer, err = service.Check(limit(t), &hpb.HealthCheckRequest{Service: "etcdserverpb.KV"})
	must(t, err)
	equal(t, answer.Status, hpb.HealthCheckResponse_SERVING, "one service")
}

func TestServiceReflection(t *testing.T) {
	if os.Getenv("ORIGINAL") != "" {
		t.Skip("etcd has none")
	}
	stream, err := rpb.NewServerReflectionClient(dial(t, 0)).ServerReflectionInfo(limit(t))
	must(t, err)
	ask := func(request *rpb.ServerReflectionRequest) *rpb.ServerReflectionResponse {
		t.Helper()
		must(t, stream.Send(request))
		answer, err := stream.Recv()
		must(t, err)
		return answer
	}
	listed := map[string]bool{}
	list := ask(&rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_ListServices{}})
	for _, service := range list.GetListServicesResponse().Service {
		listed[service.Name] = true
	}
	for _, service := range []string{"etcdserverpb.KV", "v3lockpb.Lock", "grpc.health.v1.Health", "hiraeth.v1.Node"} {
		equal(t, listed[service], true, service)
	}
	equal(t, listed["hiraeth.peer.v1.Peer"], false, "what nodes say to each other is not served here")
	file := ask(&rpb.ServerReflectionRequest{MessageRequest: &rpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "etcdserverpb.KV"}})
	equal(t, len(file.GetFileDescriptorResponse().GetFileDescriptorProto()) > 0, true, "a file")
}
