// Package testutil starts one server for a test, and has small helps for tests.
package testutil

import (
	"os"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/require"
)

// TestingTB is what starting a server needs of a test.
type TestingTB interface {
	Cleanup(func())
	Failed() bool
	Fatalf(format string, args ...any)
	Helper()
	Logf(format string, args ...any)
	Name() string
}

// RunStep runs a part of a test, without which the rest has no use.
func RunStep(t *testing.T, name string, step func(t *testing.T)) {
	t.Helper()
	if !t.Run(name, step) {
		t.FailNow()
	}
}

// RequireErrorContains demands an error that says `text`.
func RequireErrorContains(t testing.TB, err error, text string) {
	t.Helper()
	require.ErrorContains(t, err, text)
}

// TempDir gives a directory that is removed with the test.
func TempDir(t testing.TB, name string) string {
	t.Helper()
	directory, err := os.MkdirTemp("", name)
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	return directory
}

// Logger gives a log that nobody reads.
func Logger(testing.TB) hclog.Logger { return hclog.NewNullLogger() }
