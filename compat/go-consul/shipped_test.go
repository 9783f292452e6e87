package compat

// What the tests that ship with Consul's client use: run.py runs them by `go test` of that package.
import (
	_ "github.com/google/go-cmp/cmp"
	_ "github.com/hashicorp/consul/api/watch"
	_ "github.com/hashicorp/consul/sdk/testutil"
	_ "github.com/hashicorp/consul/sdk/testutil/retry"
	_ "github.com/hashicorp/go-uuid"
	_ "github.com/hashicorp/serf/coordinate"
	_ "github.com/hashicorp/serf/serf"
	_ "github.com/stretchr/testify/assert"
	_ "github.com/stretchr/testify/require"
)
