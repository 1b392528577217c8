// Send one message over HTTP with Go's standard library: go run ./send TO FROM TEXT [KEY]
//
// SLUICEGATE_URL is where `sluicegate serve` listens, and SLUICEGATE_TOKEN is the app's token. The key
// becomes the message's id: the same key never sends twice, so a failed call is simply repeated.
package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

type message struct {
	To   string `json:"to"`
	From string `json:"from"`
	Text string `json:"text"`
}

type answer struct {
	Data struct {
		ID string `json:"id"`
		To []struct {
			Status string `json:"status"`
		} `json:"to"`
	} `json:"data"`
	Errors []struct{ Code, Title, Detail string } `json:"errors"`
}

var client = http.Client{Timeout: 20 * time.Second}

// post returns an answer and its status, or for how long to wait before the next try.
func post(body []byte, key string) (answer, int, time.Duration) {
	var told answer
	url := cmp.Or(os.Getenv("SLUICEGATE_URL"), "http://127.0.0.1:8080") + "/v2/messages"
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return told, 0, time.Second
	}
	request.Header.Set("Authorization", "Bearer "+os.Getenv("SLUICEGATE_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := client.Do(request)
	if err != nil {
		return told, 0, time.Second
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
		return told, 0, time.Second
	}
	seconds, _ := strconv.Atoi(response.Header.Get("retry-after"))
	return told, response.StatusCode, time.Duration(max(1, seconds)) * time.Second
}

func send(one message, key string) (answer, error) {
	body, err := json.Marshal(one)
	if err != nil {
		return answer{}, err
	}
	for left := 4; left > 0; left-- {
		told, status, wait := post(body, key)
		switch {
		case status == http.StatusOK:
			return told, nil
		case status != 0 && status != http.StatusServiceUnavailable:
			fault := told.Errors[0]
			return told, fmt.Errorf("%d %s %s: %s", status, fault.Code, fault.Title, fault.Detail)
		case left > 1:
			time.Sleep(wait)
		}
	}
	return answer{}, errors.New("not accepted: no answer, or 503 each time")
}

func newKey() string {
	raw := make([]byte, 16)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: send TO FROM TEXT [KEY]")
		os.Exit(2)
	}
	key := newKey()
	if len(os.Args) > 4 {
		key = os.Args[4]
	}
	sent, err := send(message{To: os.Args[1], From: os.Args[2], Text: os.Args[3]}, key)
	if err != nil {
		fmt.Fprintln(os.Stderr, "not sent:", err)
		os.Exit(1)
	}
	fmt.Printf("%s: %s\n", sent.Data.ID, sent.Data.To[0].Status)
}
