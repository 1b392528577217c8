// Send many messages over HTTP with Go's standard library: go run ./bulk FILE
//
// Each line of FILE is a message in JSON, with an idempotency_key of its own. It sends 5,000 at a time, and
// asks for refusals alone and a last line that counts the others. Where that line is missing, or a line got
// 429 or 503, they are sent again: with its key none goes out twice.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

const atOnce = 5_000

type result struct {
	Line       int
	ID         string
	Status     int
	RetryAfter int `json:"retry_after"`
	Errors     []struct{ Code, Title, Detail string }
	Taken      *int // only in the last line, which counts
}

var client = http.Client{Timeout: 5 * time.Minute}

// ask sends lines and returns the refusals; whole is false where the answer broke off.
func ask(lines [][]byte) (refused []result, whole bool, err error) {
	url := cmp.Or(os.Getenv("SLUICEGATE_URL"), "http://127.0.0.1:8080") + "/v2/messages/bulk"
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(bytes.Join(lines, []byte("\n"))))
	if err != nil {
		return nil, false, err
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("SLUICEGATE_TOKEN"))
	request.Header.Set("Content-Type", "application/x-ndjson")
	request.Header.Set("Prefer", "return=minimal")
	response, err := client.Do(request)
	if err != nil {
		return nil, false, nil // it may be sent again
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK && response.StatusCode < 500 {
		why, _ := io.ReadAll(io.LimitReader(response.Body, 1_000))
		return nil, false, fmt.Errorf("%d %s", response.StatusCode, why)
	}
	for decoder := json.NewDecoder(response.Body); ; {
		var one result
		if decoder.Decode(&one) != nil {
			return nil, false, nil
		}
		if one.Taken != nil {
			return refused, true, nil
		}
		refused = append(refused, one)
	}
}

// send sends lines until each is taken or refused, and returns the refusals.
func send(lines [][]byte) (refused []result, err error) {
	for left := 5; len(lines) > 0; left-- {
		if left == 0 {
			return refused, fmt.Errorf("%d lines were not taken", len(lines))
		}
		results, whole, err := ask(lines)
		if err != nil {
			return refused, err
		}
		wait, again := 1, lines
		if whole {
			again = nil
		}
		for _, one := range results {
			if one.Status == http.StatusTooManyRequests || one.Status == http.StatusServiceUnavailable {
				again, wait = append(again, lines[one.Line-1]), max(wait, one.RetryAfter)
			} else {
				refused = append(refused, one)
			}
		}
		lines = again
		if len(lines) > 0 && left > 1 {
			time.Sleep(time.Duration(wait) * time.Second)
		}
	}
	return refused, nil
}

// run sends a file; it returns how many lines were taken and how many were refused.
func run(path string) (taken, refused int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	var lines [][]byte
	flush := func() error {
		faults, err := send(lines)
		for _, one := range faults {
			fault := one.Errors[0]
			fmt.Fprintf(os.Stderr, "%s: %s %s: %s\n", cmp.Or(one.ID, "a line"), fault.Code, fault.Title, fault.Detail)
		}
		taken, refused, lines = taken+len(lines)-len(faults), refused+len(faults), nil
		return err
	}
	rows := bufio.NewScanner(file)
	rows.Buffer(nil, 1<<20)
	for rows.Scan() {
		if line := bytes.TrimSpace(rows.Bytes()); len(line) > 0 {
			lines = append(lines, bytes.Clone(line))
		}
		if len(lines) == atOnce {
			if err := flush(); err != nil {
				return taken, refused, err
			}
		}
	}
	if err := rows.Err(); err != nil {
		return taken, refused, err
	}
	return taken, refused, flush()
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: bulk FILE")
		os.Exit(2)
	}
	taken, refused, err := run(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "not sent:", err)
		os.Exit(1)
	}
	fmt.Printf("%d taken, %d refused\n", taken, refused)
	if refused > 0 {
		os.Exit(1)
	}
}
