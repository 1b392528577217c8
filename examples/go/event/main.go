// Take events, and check that they are true, with Go's standard library: go run ./event [ADDRESS]
//
// SHOP_EVENTS_SECRET is what `sluicegate events secret` made. An event may come twice: keep its webhook-id to
// know what you have seen. Whatever is not answered 2xx comes again, for three days.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const late = 5 * time.Minute

// isTrue says whether a webhook is signed as Standard Webhooks says, and not long ago.
func isTrue(secret []byte, header http.Header, body []byte) bool {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > late {
		return false
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, stamp, body)
	expected := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, signature := range strings.Fields(header.Get("webhook-signature")) { // two while the secret is exchanged
		if hmac.Equal([]byte(signature), []byte(expected)) {
			return true
		}
	}
	return false
}

type event struct {
	Type string
	Data struct{ Payload struct{ ID string } }
}

func main() {
	secret, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(os.Getenv("SHOP_EVENTS_SECRET"), "whsec_"))
	if err != nil || len(secret) == 0 {
		log.Fatal("SHOP_EVENTS_SECRET is none")
	}
	address := "127.0.0.1:8000"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(answer, request.Body, 1<<20))
		var told event
		if err != nil || !isTrue(secret, request.Header, body) || json.Unmarshal(body, &told) != nil {
			answer.WriteHeader(http.StatusBadRequest)
			return
		}
		log.Println(told.Type, told.Data.Payload.ID)
		answer.WriteHeader(http.StatusNoContent)
	})
	log.Fatal(http.ListenAndServe(address, nil))
}
