// temporal-health is what the image of a Temporal server lacks: it tells whether the server's roles serve, and lets the server
// stop only when others do.
//
// watch asks the roles by grpc.health.v1 and answers for all of them over HTTP: GET / says 200 if every role serves, else 503
// and which ones do not. Pebble has no gRPC check, and its http check can ask this. GET /databases tells in the same way
// whether the frontend gets answers from the databases. Whenever all roles serve after they did not, and whenever the answer
// about the databases changes, `pebble notify` tells the charm: Pebble itself sends no news of a first success, nor of an
// outage that was shorter than its threshold and yet seen by a hook.
//
// run starts the server, and passes on a request to stop only when the server's other pods serve, or after some seconds:
// Kubernetes replaces the next pod of an application as soon as the last one has started, long before its server serves.
package main

import (
	"log"
	"os"
)

func main() {
	commands := map[string]func([]string){"watch": runWatch, "run": runServer}
	if len(os.Args) > 1 {
		if command, found := commands[os.Args[1]]; found {
			command(os.Args[2:])
			return
		}
	}
	log.Fatal("Usage of temporal-health: watch ... or run ...")
}
