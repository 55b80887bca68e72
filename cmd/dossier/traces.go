package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// startTraces exports traces as the standard OTEL_* variables say (https://opentelemetry.io/docs/languages/sdk-configuration/).
// The answer flushes and stops.
func startTraces(ctx context.Context) (func(context.Context) error, error) {
	exporter, err := traceExporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	if exporter == nil {
		return func(context.Context) error { return nil }, nil
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return provider.Shutdown, nil
}

// traceExporter gives the exporter of OTEL_TRACES_EXPORTER, nil for none. The autoexport package does the same and brings the
// exporters of logs and metrics along, for a program that exports neither.
func traceExporter(ctx context.Context) (trace.SpanExporter, error) {
	switch name := os.Getenv("OTEL_TRACES_EXPORTER"); name {
	case "", "otlp":
	case "console":
		return stdouttrace.New()
	case "none":
		return nil, nil //nolint:nilnil // no exporter is what was asked for
	default:
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q; it can be otlp, console or none", name)
	}
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; it can be http/protobuf or grpc", protocol)
	}
}
