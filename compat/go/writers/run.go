package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// A request in flight to a dying leader waits this long: no shorter gap can be told from it.
const requestSeconds = 1

type written struct {
	Acked   int     `json:"acked"`
	Unknown int     `json:"unknown"`
	Retried int     `json:"acked_after_retries"`
	Gap     float64 `json:"longest_gap_seconds"`
	Rate    float64 `json:"acked_per_second"`
}

// writer is one client of all nodes, with keys that nobody else writes.
type writer struct {
	options
	number int
	client *clientv3.Client
	out    *recorder
}

// recorder keeps the outcome of every write, in a file and in counts.
type recorder struct {
	sync.Mutex
	file   *bufio.Writer
	acks   []time.Time
	counts written
}

func (r *recorder) acknowledged(key string, revision int64, value string, retried bool) {
	r.Lock()
	defer r.Unlock()
	r.acks = append(r.acks, time.Now())
	r.counts.Acked++
	if retried {
		r.counts.Retried++
	}
	fmt.Fprintf(r.file, "acked\t%s\t%d\t%s\n", key, revision, value)
}

func (r *recorder) unknown(key, value string) {
	r.Lock()
	defer r.Unlock()
	r.counts.Unknown++
	fmt.Fprintf(r.file, "unknown\t%s\t0\t%s\n", key, value)
}

func (r *recorder) enough(writes int) bool {
	r.Lock()
	defer r.Unlock()
	return writes > 0 && r.counts.Acked >= writes
}

func run(o options) (any, error) {
	file, err := os.Create(o.file)
	if err != nil {
		return nil, err
	}
	out := &recorder{file: bufio.NewWriter(file)}
	began := time.Now()
	end := began.Add(time.Duration(o.seconds * float64(time.Second)))
	var group sync.WaitGroup
	for number := 0; number < o.clients; number++ {
		client, err := dial(o.endpoints...)
		if err != nil {
			return nil, err
		}
		defer client.Close()
		w := &writer{options: o, number: number, client: client, out: out}
		group.Add(1)
		go func() {
			defer group.Done()
			for sequence := 0; time.Now().Before(end) && !out.enough(o.writes); sequence++ {
				w.write(sequence)
			}
		}()
	}
	group.Wait()
	if err := out.file.Flush(); err != nil {
		return nil, err
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	out.counts.Gap = gap(began, out.acks)
	out.counts.Rate = float64(out.counts.Acked) / time.Since(began).Seconds()
	return out.counts, nil
}

// gap is the longest time without any acknowledged write, in seconds.
func gap(began time.Time, acks []time.Time) float64 {
	times := append(slices.Clone(acks), began, time.Now())
	slices.SortFunc(times, time.Time.Compare)
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	return longest.Seconds()
}

// write makes one write. Half of the clients only put: whatever error they see, the outcome is
// unknown, and the key is never touched again. The others create the key if it is not there,
// which is safe to repeat, at another node, until it is known to have happened.
func (w *writer) write(sequence int) {
	key := fmt.Sprintf("%s%02d/%08d", w.prefix, w.number, sequence)
	random := make([]byte, max(w.size/2, 8))
	_, _ = rand.Read(random)
	value := hex.EncodeToString(random)
	if w.number%2 == 0 {
		w.put(key, value)
	} else {
		w.create(key, value)
	}
}

func (w *writer) put(key, value string) {
	ctx, cancel := within(requestSeconds)
	defer cancel()
	answer, err := w.client.Put(ctx, key, value)
	if err != nil {
		w.out.unknown(key, value)
		time.Sleep(10 * time.Millisecond)
		return
	}
	w.out.acknowledged(key, answer.Header.Revision, value, false)
}

func (w *writer) create(key, value string) {
	const attempts = 20
	for attempt := 0; attempt < attempts; attempt++ {
		ctx, cancel := within(requestSeconds)
		answer, err := w.client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, value)).
			Else(clientv3.OpGet(key)).
			Commit()
		cancel()
		if err != nil {
			time.Sleep(50 * time.Millisecond)
			continue
		}
		revision := answer.Header.Revision
		if !answer.Succeeded {
			// An earlier attempt of ours made it: nobody else writes here.
			revision = answer.Responses[0].GetResponseRange().Kvs[0].ModRevision
		}
		w.out.acknowledged(key, revision, value, attempt > 0)
		return
	}
	w.out.unknown(key, value)
}
