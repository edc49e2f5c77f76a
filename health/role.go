// The roles of a server, and how they are asked.
package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// How often roles are asked while they do not serve, and while they do.
	eager   = 250 * time.Millisecond
	relaxed = time.Second
	timeout = time.Second
)

// role is one gRPC service to be asked after: NAME=HOST:PORT/SERVICE.
type role struct {
	name, service string
	connection    *grpc.ClientConn
}

func parse(argument string) (role, error) {
	name, rest, found := strings.Cut(argument, "=")
	address, service, found2 := strings.Cut(rest, "/")
	if !found || !found2 {
		return role{}, fmt.Errorf("%q is not NAME=HOST:PORT/SERVICE", argument)
	}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// The default backs off for up to two minutes; a role that starts is to be seen at once.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: eager, Multiplier: 1, MaxDelay: eager},
			MinConnectTimeout: timeout,
		}))
	if err != nil {
		return role{}, err
	}
	return role{name, service, connection}, nil
}

func (r role) serves(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := grpc_health_v1.NewHealthClient(r.connection).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: r.service})
	return err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_SERVING
}

func (r role) close() {
	_ = r.connection.Close()
}

// parseAll reads arguments as parse takes them.
func parseAll(arguments []string) ([]role, error) {
	var roles []role
	for _, argument := range arguments {
		r, err := parse(argument)
		if err != nil {
			return nil, err
		}
		roles = append(roles, r)
	}
	return roles, nil
}
