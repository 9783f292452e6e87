// Command writers writes through every node while somebody kills servers, and says afterwards
// whether the cluster still has everything that it acknowledged.
//
//	writers run    --endpoints A,B,C --file F --seconds 20
//	writers verify --endpoints A     --file F --serializable
//
// The last line of output is a JSON object with the counts. The exit code is not 0 if an
// acknowledged write is missing, changed, or was made twice.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

type options struct {
	endpoints    []string
	file         string
	prefix       string
	seconds      float64
	clients      int
	writes       int
	size         int
	serializable bool
}

func main() {
	if len(os.Args) < 2 || os.Args[1] != "run" && os.Args[1] != "verify" {
		fail(fmt.Errorf("usage: writers run|verify --endpoints A,B,C --file F"))
	}
	flags := flag.NewFlagSet("writers", flag.ExitOnError)
	endpoints := flags.String("endpoints", "127.0.0.1:2379", "host:port of the nodes, by comma")
	var o options
	flags.StringVar(&o.file, "file", "writes.tsv", "the record of what was written")
	flags.StringVar(&o.prefix, "prefix", "writers/", "where the keys are: nobody else's")
	flags.Float64Var(&o.seconds, "seconds", 20, "how long to write; or how long a node has to catch up")
	flags.IntVar(&o.clients, "clients", 8, "how many write at once")
	flags.IntVar(&o.writes, "writes", 0, "end earlier, after so many acknowledged writes")
	flags.IntVar(&o.size, "size", 256, "bytes of a value")
	flags.BoolVar(&o.serializable, "serializable", false, "verify what the first node holds itself")
	_ = flags.Parse(os.Args[2:])
	o.endpoints = strings.Split(*endpoints, ",")

	var good bool
	var result any
	var err error
	if os.Args[1] == "run" {
		result, err = run(o)
		good = err == nil
	} else {
		good, result, err = verify(o)
	}
	if err != nil {
		fail(err)
	}
	line, err := json.Marshal(result)
	if err != nil {
		fail(err)
	}
	fmt.Println(string(line))
	if !good {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "writers:", err)
	os.Exit(2)
}

// dial gives a client that takes these nodes in turn, but for those it cannot reach.
func dial(endpoints ...string) (*clientv3.Client, error) {
	return clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
}

func within(seconds float64) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(seconds*float64(time.Second)))
}
