package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/server/api/adminservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// noConnection is how gRPC begins what it says of a connection that it does not get.
const noConnection = "connection error: "

// again repeats a call that the server refuses for a moment, as it does when it has just lost a member or its database:
// for some two seconds at most. What is repeated may have been done, which callers have to bear with.
func again(ctx context.Context, method string, request, reply any, connection *grpc.ClientConn,
	invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	for pause := 300 * time.Millisecond; ; pause *= 2 {
		err := invoke(ctx, method, request, reply, connection, options...)
		found := status.Convert(err)
		if found.Code() != codes.Unavailable || strings.HasPrefix(found.Message(), noConnection) || pause > 2*time.Second {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

type tlsOptions struct {
	CA         string `json:"ca"`
	ServerName string `json:"server_name"`
}

// server is a connection to a frontend, with the services it answers.
type server struct {
	connection *grpc.ClientConn
	workflow   workflowservice.WorkflowServiceClient
	operator   operatorservice.OperatorServiceClient
	admin      adminservice.AdminServiceClient
}

type target struct {
	address string
	tls     tlsOptions
	secure  bool
}

var connections = map[target]*server{}

// connect gives the connection to an address; one that is asked several times is dialled once.
func connect(address string, options *tlsOptions) (*server, error) {
	wanted := target{address: address, secure: options != nil}
	transport := insecure.NewCredentials()
	if options != nil {
		wanted.tls = *options
		configuration := &tls.Config{ServerName: options.ServerName, MinVersion: tls.VersionTLS12}
		if options.CA != "" {
			configuration.RootCAs = x509.NewCertPool()
			if !configuration.RootCAs.AppendCertsFromPEM([]byte(options.CA)) {
				return nil, status.Error(codes.InvalidArgument, "the authority's certificate is no PEM")
			}
		}
		transport = credentials.NewTLS(configuration)
	}
	if known, found := connections[wanted]; found {
		return known, nil
	}
	if address == "" {
		return nil, status.Error(codes.InvalidArgument, "the request names no address")
	}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(transport),
		grpc.WithUnaryInterceptor(again),
		// What the model says of proxies is for what is outside the cluster.
		grpc.WithNoProxy())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%q is no address: %v", address, err)
	}
	made := &server{
		connection: connection,
		workflow:   workflowservice.NewWorkflowServiceClient(connection),
		operator:   operatorservice.NewOperatorServiceClient(connection),
		admin:      adminservice.NewAdminServiceClient(connection),
	}
	connections[wanted] = made
	return made, nil
}

// pages calls a function with one page token after the other until there are no more pages.
func pages(ctx context.Context, next func(context.Context, []byte) ([]byte, error)) error {
	var token []byte
	for {
		var err error
		if token, err = next(ctx, token); err != nil || len(token) == 0 {
			return err
		}
	}
}
