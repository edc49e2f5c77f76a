package main

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/server/api/adminservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

type none struct{}

type member struct {
	Role    string `json:"role"`
	Address string `json:"address"`
}

type clusterInfo struct {
	Name        string   `json:"name"`
	ID          string   `json:"id"`
	Version     string   `json:"version"`
	Shards      int32    `json:"shards"`
	Persistence string   `json:"persistence"`
	Visibility  string   `json:"visibility"`
	Members     []member `json:"members"`
}

// cluster tells what the server that answers knows of its cluster. Only its admin service knows the members.
func cluster(ctx context.Context, s *server, _ none) (any, error) {
	found, err := s.admin.DescribeCluster(ctx, &adminservice.DescribeClusterRequest{})
	if err != nil {
		return nil, err
	}
	info := clusterInfo{
		Name:        found.GetClusterName(),
		ID:          found.GetClusterId(),
		Version:     found.GetServerVersion(),
		Shards:      found.GetHistoryShardCount(),
		Persistence: found.GetPersistenceStore(),
		Visibility:  found.GetVisibilityStore(),
		Members:     []member{},
	}
	for _, ring := range found.GetMembershipInfo().GetRings() {
		for _, host := range ring.GetMembers() {
			info.Members = append(info.Members, member{ring.GetRole(), host.GetIdentity()})
		}
	}
	return info, nil
}

type healthArguments struct {
	// Services is name to address and service, as grpc.health.v1 knows it.
	Services map[string]struct {
		Address string `json:"address"`
		Service string `json:"service"`
	} `json:"services"`
	// Timeout is how many seconds each may take.
	Timeout float64 `json:"timeout"`
}

// health asks services at the same time how they are: `serving`, or why they are not.
func health(ctx context.Context, _ *server, arguments healthArguments) (any, error) {
	limit := time.Second
	if arguments.Timeout > 0 {
		limit = time.Duration(arguments.Timeout * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var group sync.WaitGroup
	var mutex sync.Mutex
	found := map[string]string{}
	for name, service := range arguments.Services {
		group.Add(1)
		go func() {
			defer group.Done()
			state := ask(ctx, service.Address, service.Service)
			mutex.Lock()
			defer mutex.Unlock()
			found[name] = state
		}()
	}
	group.Wait()
	return found, nil
}

func ask(ctx context.Context, address, service string) string {
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return "no address"
	}
	defer connection.Close()
	request := &grpc_health_v1.HealthCheckRequest{Service: service}
	given, err := grpc_health_v1.NewHealthClient(connection).Check(ctx, request)
	switch status.Code(err) {
	case codes.OK:
		if given.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING {
			return "serving"
		}
		return "not serving"
	case codes.NotFound:
		return "unknown service"
	default:
		return "no answer"
	}
}
