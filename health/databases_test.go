package main

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// frontend is one that serves, or does not, and whose databases answer with a code each.
type frontend struct {
	health               *health.Server
	persistence, lists   codes.Code
	persistenceQ, listsQ []byte
}

func (f *frontend) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	request := &emptypb.Empty{}
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	code, asked := f.persistence, &f.persistenceQ
	if strings.HasSuffix(method, "/ListWorkflowExecutions") {
		code, asked = f.lists, &f.listsQ
	}
	*asked = request.ProtoReflect().GetUnknown()
	if code != codes.OK {
		return status.Error(code, "as the test wants it")
	}
	return stream.SendMsg(&emptypb.Empty{})
}

func start(t *testing.T) (*frontend, *databases) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &frontend{health: health.NewServer()}
	server := grpc.NewServer(grpc.UnknownServiceHandler(f.handle))
	grpc_health_v1.RegisterHealthServer(server, f.health)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	asked, err := parse("frontend=" + listener.Addr().String() + "/front")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(asked.close)
	return f, &databases{frontend: asked, missed: map[string]int{}}
}

func TestADatabaseIsSilentWhenTwoAnswersInTurnAreMissing(t *testing.T) {
	const up, down = true, false
	type sight struct {
		serves             bool
		persistence, lists codes.Code
		differs            bool
		silent             []string
	}
	for name, sights := range map[string][]sight{
		"all answer": {{up, codes.OK, codes.OK, false, nil}},
		"an outage and its end": {
			{up, codes.Unavailable, codes.Unavailable, false, nil},
			{up, codes.Unavailable, codes.Unavailable, true, []string{"database", "visibility"}},
			{up, codes.DeadlineExceeded, codes.Internal, false, []string{"database", "visibility"}},
			{up, codes.OK, codes.OK, true, nil},
		},
		"a short outage": {
			{up, codes.Unavailable, codes.OK, false, nil},
			{up, codes.OK, codes.OK, false, nil},
			{up, codes.Unavailable, codes.OK, false, nil},
		},
		"one of two": {
			{up, codes.OK, codes.Unknown, false, nil},
			{up, codes.OK, codes.Unknown, true, []string{"visibility"}},
		},
		"a refusal": {
			{up, codes.ResourceExhausted, codes.NotFound, false, nil},
			{up, codes.ResourceExhausted, codes.NotFound, false, nil},
		},
		"a frontend that does not serve": {
			{down, codes.Unavailable, codes.Unavailable, false, nil},
			{down, codes.Unavailable, codes.Unavailable, false, nil},
			{up, codes.Unavailable, codes.OK, false, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, d := start(t)
			for i, s := range sights {
				state := grpc_health_v1.HealthCheckResponse_NOT_SERVING
				if s.serves {
					state = grpc_health_v1.HealthCheckResponse_SERVING
				}
				f.health.SetServingStatus("front", state)
				f.persistence, f.lists = s.persistence, s.lists

				differs, pause := d.look(context.Background())

				if differs != s.differs || !slices.Equal(d.names(), s.silent) {
					t.Errorf("sight %d: %v %v", i, differs, d.names())
				}
				calm := !s.serves || !tells(status.Error(s.persistence, "")) && !tells(status.Error(s.lists, ""))
				if (pause == seldom) != calm {
					t.Errorf("sight %d: looks again after %v", i, pause)
				}
			}
		})
	}
}

func TestTheQuestionsAreWrittenAsProtobufWants(t *testing.T) {
	f, d := start(t)
	f.health.SetServingStatus("front", grpc_health_v1.HealthCheckResponse_SERVING)

	d.look(context.Background())

	if string(f.persistenceQ) != "\x08\x01" || string(f.listsQ) != "\x0a\x0ftemporal-system\x10\x01" {
		t.Errorf("%q %q", f.persistenceQ, f.listsQ)
	}
}
