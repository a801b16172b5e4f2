/**
 * One try of a probe: exec, HTTP, TCP or gRPC.
 *
 * Source: upstream `pkg/kubelet/prober/prober.go`, `pkg/probe/*` (results and messages).
 */

import { connect } from 'node:net';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';
import { errorText } from '#api/error-text.ts';
import { joinHostPort } from '#api/ip.ts';
import type { Container, Probe } from '#api/types.generated.ts';
import { goDuration } from '../backoff.ts';
import { messageText } from '../errors.ts';
import { checkHealth } from './grpc-health.ts';
import { httpGet, probeUrl, resolvePort, TimeoutError } from './http-get.ts';
import { lookupWithoutThreads } from './lookup.ts';
import type { ProbeOutcome } from './probe-outcome.ts';

/** The container that is probed. */
export interface ProbeTarget {
  container: Container;
  containerId: string;
  podIp: string;
}

/** Makes single tries of probes. Each ends within the probe's `timeoutSeconds`. */
export interface ProbeRunner {
  /** Tries once. @throws Error when the probe could not be made, which says nothing about the container */
  run(probe: Probe, target: ProbeTarget): Promise<ProbeOutcome>;
}

const maxOutputBytes = 10 * 1024;
const userAgent = 'kube-probe/1.36';

const failure = (output: string): ProbeOutcome => ({ kind: 'failure', output });
const success: ProbeOutcome = { kind: 'success' };

/** The text of a connection error as Go's net package writes it. Pure. @param address host and port */
export function dialErrorText(error: unknown, address: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const texts: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ECONNRESET: 'read: connection reset by peer',
    ETIMEDOUT: 'i/o timeout',
  };
  const why = texts[code] ?? errorText(error);
  return `dial tcp ${address}: ${why}`;
}

/** As {@link dialErrorText}, and for what fails after the connection was made: the text of Go's HTTP client. */
function requestErrorText(error: unknown, address: string): string {
  if (error instanceof TimeoutError || !(error instanceof Error)) return messageText(error);
  const code = 'code' in error ? String(error.code) : '';
  if (error.message.includes('wrong version number')) return 'http: server gave HTTP response to HTTPS client';
  if (code.startsWith('HPE_'))
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response (${error.message})`;
  if (error.message === 'socket hang up') return 'EOF';
  // An error without a code comes from our HTTP client, with its own text.
  return code === '' ? error.message : dialErrorText(error, address);
}

/** Probes as upstream makes them; exec goes through the container runtime. */
export function createProbeRunner(runtime: ContainerRuntime): ProbeRunner {
  async function runExec(command: readonly string[], { containerId }: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
    try {
      const { exitCode, stdout, stderr } = await runtime.execSync(containerId, command, timeoutMs);
      if (exitCode === 0) return success;
      return failure(Buffer.concat([stdout, stderr]).subarray(0, maxOutputBytes).toString('utf8'));
    } catch (error) {
      if (error instanceof RuntimeError && error.code === 'DeadlineExceeded') {
        return failure(`command timed out: "${command.join(' ')}" timed out after ${goDuration(timeoutMs)}`);
      }
      throw error;
    }
  }

  async function runHttp(probe: Probe, { container, podIp }: ProbeTarget, timeoutMs: number): Promise<ProbeOutcome> {
    if (probe.httpGet === undefined) return success;
    const url = probeUrl(probe.httpGet, container, podIp);
    try {
      const { status, body } = await httpGet(probe.httpGet, url, userAgent, AbortSignal.timeout(timeoutMs));
      if (status < 200 || status >= 400) return failure(`HTTP probe failed with statuscode: ${status}`);
      return status < 300 ? success : { kind: 'warning', output: `Probe terminated redirects, Response body: ${body}` };
    } catch (error) {
      return failure(`Get ${JSON.stringify(url.href)}: ${requestErrorText(error, url.host)}`);
    }
  }

  return {
    async run(probe, target) {
      const timeoutMs = Math.max(probe.timeoutSeconds ?? 1, 1) * 1000;
      if (probe.exec !== undefined) return runExec(probe.exec.command ?? [], target, timeoutMs);
      if (probe.httpGet !== undefined) return runHttp(probe, target, timeoutMs);
      if (probe.tcpSocket !== undefined) {
        const { host, port } = probe.tcpSocket;
        return runTcp(host === undefined || host === '' ? target.podIp : host, resolvePort(port, target.container), timeoutMs);
      }
      if (probe.grpc !== undefined) return checkHealth(target.podIp, probe.grpc.port, probe.grpc.service ?? '', timeoutMs);
      throw new Error(`missing probe handler for container ${target.container.name}`);
    },
  };
}

function runTcp(host: string, port: number, timeoutMs: number): Promise<ProbeOutcome> {
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const address = joinHostPort(host, port);
  const socket = connect({ host, port, lookup: lookupWithoutThreads });
  // Limits the whole connect, the name's resolution included. A socket's own timeout only counts silence.
  const timer = setTimeout(() => resolve(failure(`dial tcp ${address}: i/o timeout`)), timeoutMs);
  socket.once('connect', () => resolve(success));
  socket.on('error', (error) => resolve(failure(dialErrorText(error, address))));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
