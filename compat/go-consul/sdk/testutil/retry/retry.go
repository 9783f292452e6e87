// Package retry runs a piece of a test again until it passes, or its time is over.
package retry

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	timeout = 7 * time.Second
	pause   = 25 * time.Millisecond
)

// Timer says for how long to try, and how long to wait before the next try.
type Timer struct {
	Timeout time.Duration
	Wait    time.Duration
}

// Retryer says whether there is one more try.
type Retryer interface {
	Continue() bool
}

type tries struct {
	ends time.Time
	wait time.Duration
	left int
	some bool
}

// Continue waits for the next try, but for the first.
func (t *tries) Continue() bool {
	if !t.some {
		t.some = true
		return true
	}
	t.left--
	if t.left <= 0 || time.Now().After(t.ends) {
		return false
	}
	time.Sleep(t.wait)
	return true
}

func (t *Timer) tries() *tries {
	limit, wait := t.Timeout, t.Wait
	if limit == 0 {
		limit = timeout
	}
	if wait == 0 {
		wait = pause
	}
	return &tries{ends: time.Now().Add(limit), wait: wait, left: 1 << 30}
}

// Continue makes a Timer a Retryer of its own.
func (t *Timer) Continue() bool { panic("a Timer is used through RunWith") }

// Counter says how many tries there are.
type Counter struct {
	Count int
	Wait  time.Duration
}

// Continue makes a Counter a Retryer of its own.
func (c *Counter) Continue() bool { panic("a Counter is used through RunWith") }

// ThreeTimes tries three times.
func ThreeTimes() *Counter { return &Counter{Count: 3, Wait: pause} }

// R is the test as one try sees it.
type R struct {
	t       testing.TB
	mutex   sync.Mutex
	failed  bool
	output  []string
	cleanup []func()
}

func (r *R) note(text string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.output = append(r.output, text)
}

// Fail marks the try as failed.
func (r *R) Fail() { r.failed = true }

// FailNow ends the try.
func (r *R) FailNow() {
	r.failed = true
	runtime.Goexit()
}

// Failed says whether the try failed.
func (r *R) Failed() bool { return r.failed }

// Check ends the try if there is an error.
func (r *R) Check(err error) {
	if err != nil {
		r.Fatal(err)
	}
}

func (r *R) Fatal(args ...any)            { r.note(fmt.Sprintln(args...)); r.FailNow() }
func (r *R) Fatalf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)); r.FailNow() }
func (r *R) Error(args ...any)            { r.note(fmt.Sprintln(args...)); r.Fail() }
func (r *R) Errorf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)); r.Fail() }
func (r *R) Log(args ...any)              { r.note(fmt.Sprintln(args...)) }
func (r *R) Logf(f string, args ...any)   { r.note(fmt.Sprintf(f, args...)) }
func (r *R) Helper()                      {}
func (r *R) Name() string                 { return r.t.Name() }
func (r *R) TempDir() string              { return r.t.TempDir() }
func (r *R) Setenv(key, value string)     { r.t.Setenv(key, value) }
func (r *R) Cleanup(f func())             { r.cleanup = append(r.cleanup, f) }
func (r *R) Context() context.Context     { return r.t.Context() }
func (r *R) attempt(f func(*R)) (failed bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for i := len(r.cleanup) - 1; i >= 0; i-- {
				r.cleanup[i]()
			}
		}()
		f(r)
	}()
	<-done
	return r.failed
}

// Run tries for seven seconds.
func Run(t testing.TB, f func(r *R)) {
	t.Helper()
	RunWith(&Timer{}, t, f)
}

// RunWith tries as the Timer or the Counter says, and fails the test with what the last try said.
func RunWith(how Retryer, t testing.TB, f func(r *R)) {
	t.Helper()
	switch set := how.(type) {
	case *Timer:
		how = set.tries()
	case *Counter:
		how = &tries{ends: time.Now().Add(time.Hour), wait: set.Wait, left: set.Count}
	}
	var last *R
	for how.Continue() {
		last = &R{t: t}
		if !last.attempt(f) {
			return
		}
	}
	t.Fatal(strings.Join(last.output, "\n"))
}
