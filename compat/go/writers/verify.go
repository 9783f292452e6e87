package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

type verified struct {
	Acked          int     `json:"acked"`
	Missing        int     `json:"missing"`
	WrongValue     int     `json:"wrong_value"`
	WrongRevision  int     `json:"wrong_revision"`
	MadeTwice      int     `json:"made_twice"`
	SameRevision   int     `json:"same_revision"`
	Unknown        int     `json:"unknown"`
	UnknownPresent int     `json:"unknown_present"`
	Strangers      int     `json:"strangers"`
	CatchUp        float64 `json:"catch_up_seconds"`
}

type record struct {
	acked    bool
	revision int64
	value    string
}

func verify(o options) (bool, any, error) {
	records, newest, err := load(o.file)
	if err != nil {
		return false, nil, err
	}
	client, err := dial(o.endpoints[0])
	if err != nil {
		return false, nil, err
	}
	defer client.Close()
	var result verified
	if o.serializable {
		if result.CatchUp, err = catchUp(client, o, newest); err != nil {
			return false, nil, err
		}
	}
	held, err := read(client, o)
	if err != nil {
		return false, nil, err
	}
	compare(records, held, &result)
	bad := result.Missing + result.WrongValue + result.WrongRevision + result.MadeTwice + result.SameRevision + result.Strangers
	return bad == 0, result, nil
}

func load(path string) (map[string]record, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	records := map[string]record{}
	var newest int64
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if len(fields) != 4 {
			return nil, 0, fmt.Errorf("%s: a line of %d fields", path, len(fields))
		}
		revision, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return nil, 0, err
		}
		newest = max(newest, revision)
		records[fields[1]] = record{fields[0] == "acked", revision, fields[3]}
	}
	return records, newest, lines.Err()
}

// catchUp waits until the node itself has this revision. Seconds it took.
func catchUp(client *clientv3.Client, o options, revision int64) (float64, error) {
	began := time.Now()
	for {
		ctx, cancel := within(2)
		answer, err := client.Get(ctx, o.prefix, clientv3.WithSerializable())
		cancel()
		if err == nil && answer.Header.Revision >= revision {
			return time.Since(began).Seconds(), nil
		}
		if time.Since(began).Seconds() > o.seconds {
			return 0, fmt.Errorf("%s did not reach revision %d within %v s: %v", o.endpoints[0], revision, o.seconds, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// read gives everything under the prefix, by pages of one revision.
func read(client *clientv3.Client, o options) (map[string]*mvccpb.KeyValue, error) {
	held := map[string]*mvccpb.KeyValue{}
	end, from, revision := clientv3.GetPrefixRangeEnd(o.prefix), o.prefix, int64(0)
	for {
		page := []clientv3.OpOption{clientv3.WithRange(end), clientv3.WithLimit(2000), clientv3.WithRev(revision)}
		if o.serializable {
			page = append(page, clientv3.WithSerializable())
		}
		ctx, cancel := within(10)
		answer, err := client.Get(ctx, from, page...)
		cancel()
		if err != nil {
			return nil, err
		}
		if revision == 0 {
			revision = answer.Header.Revision
		}
		for _, kv := range answer.Kvs {
			held[string(kv.Key)] = kv
			from = string(kv.Key) + "\x00"
		}
		if !answer.More {
			return held, nil
		}
	}
}

func compare(records map[string]record, held map[string]*mvccpb.KeyValue, result *verified) {
	revisions := map[int64]bool{}
	for key, wrote := range records {
		kv := held[key]
		if wrote.acked {
			result.Acked++
			if revisions[wrote.revision] {
				result.SameRevision++
			}
			revisions[wrote.revision] = true
		} else {
			result.Unknown++
		}
		switch {
		case kv == nil && wrote.acked:
			result.Missing++
			fmt.Printf("missing %s, acknowledged at revision %d\n", key, wrote.revision)
			continue
		case kv == nil:
			continue
		case !wrote.acked:
			result.UnknownPresent++
		case kv.ModRevision != wrote.revision:
			result.WrongRevision++
			fmt.Printf("%s is of revision %d, acknowledged was %d\n", key, kv.ModRevision, wrote.revision)
		}
		if string(kv.Value) != wrote.value {
			result.WrongValue++
		}
		if kv.Version != 1 {
			result.MadeTwice++
			fmt.Printf("%s was written %d times\n", key, kv.Version)
		}
	}
	for key := range held {
		if _, known := records[key]; !known {
			result.Strangers++
		}
	}
}
