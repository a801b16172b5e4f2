/**
 * The kubelet's HTTPS API on :10250: logs, exec, attach, port-forward, pods, stats, metrics, health.
 *
 * Source: upstream `pkg/kubelet/server/server.go` (paths, parameters, answers).
 */

import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions } from 'node:tls';
import type { Express, Request, Response } from 'express';
import express from 'express';
import type { Logger } from 'pino';
import type { Cgroups } from '#agent/host/cgroup.ts';
import { guardListener, httpLimits } from '#agent/host/listener.ts';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import { isNotFound } from '#agent/runtime/runtime.ts';
import { withoutToken } from '#api/bearer-token.ts';
import type { Clock } from '#client/clock.ts';
import { untilAborted } from '#client/until-aborted.ts';
import { messageText } from '../errors.ts';
import type { NodeObservation } from '../node/node-status.ts';
import type { KubeletServing } from '../options.ts';
import type { PodLookup } from '../pod/pod-set.ts';
import { type KubeletAuth, kubeletRequest } from './auth/kubelet-auth.ts';
import { queryOf, readLogQuery } from './log-query.ts';
import { readLog } from './log-reader.ts';
import { logContainerId } from './log-target.ts';
import { renderMetrics } from './metrics.ts';
import { sendNodeLogs } from './node-logs.ts';
import { renderResourceMetrics, type UsageSummary } from './resource-metrics.ts';
import { statsSummary } from './stats.ts';
import { parseStreamPath, refuseUpgrade, relayUpgrade, streamingUrl, UpgradeError } from './upgrade.ts';
import { checkPortsNamed, serveWebSocket } from './websocket.ts';

/** The dependencies of the kubelet's API. `startedMs`: since the epoch. */
export interface ServerDeps {
  runtime: ContainerRuntime;
  clock: Clock;
  log: Logger;
  nodeName: string;
  /** `containerd`, `docker`: the scheme of container IDs. */
  runtimeName: string;
  pods: PodLookup;
  observeNode(): Promise<NodeObservation>;
  cgroups: Cgroups;
  cgroupRoot: string;
  /** Authenticates and authorizes requests. */
  auth: Pick<KubeletAuth, 'check'>;
  startedMs: number;
  /** For `/configz`. */
  configuration: object;
  /** The folder that `/logs/` shows. Default /var/log. */
  nodeLogsDir?: string | undefined;
}

function secureContext({ certificate, clientCa }: KubeletServing): SecureContextOptions {
  const current = certificate.current();
  return {
    ca: clientCa,
    minVersion: 'TLSv1.2',
    ...(current === undefined ? {} : { cert: current.certificate, key: current.key }),
  };
}

/** Upstream's limit. */
const maxHeaderBytes = 1 << 20;

/** Serves until `signal` aborts. @throws Error when the address cannot be bound */
export async function serveKubelet(
  deps: ServerDeps,
  serving: KubeletServing & { address: string; port: number },
  signal: AbortSignal,
): Promise<void> {
  let trust = (_socket: Socket): void => undefined;
  const app = kubeletApp(deps, signal, (socket) => trust(socket));
  const server = createServer(
    {
      ...secureContext(serving),
      requestCert: true,
      rejectUnauthorized: false,
      ...httpLimits,
      handshakeTimeout: httpLimits.headersTimeout,
      maxHeaderSize: maxHeaderBytes,
      // On other paths an Upgrade header is ignored and the request is answered: `curl` offers HTTP/2 with every request.
      shouldUpgradeCallback: ({ url }: IncomingMessage) => parseStreamPath(url ?? '') !== undefined,
    },
    app,
  );
  const guard = guardListener(server, 'kubelet', deps);
  serving.certificate.onChange(() => server.setSecureContext(secureContext(serving)));
  trust = (socket) => guard.trust(socket);
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    void upgrade(deps, request, socket, head, trust).catch((error: unknown) => {
      if (!(error instanceof UpgradeError))
        deps.log.warn({ err: error, url: request.url?.split('?')[0] }, 'a stream could not be opened');
      refuseUpgrade(socket, error instanceof UpgradeError ? error.status : 500, messageText(error));
    });
  });
  const listening = once(server, 'listening');
  server.listen(serving.port, serving.address);
  await listening.catch((error: unknown) => {
    throw new Error(
      `the kubelet cannot listen on ${serving.address}:${serving.port}: ${messageText(error)}; end what uses it or choose another port`,
      { cause: error },
    );
  });
  await untilAborted(signal);
  server.close();
  server.closeAllConnections();
}

async function upgrade(
  deps: ServerDeps,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  trust: (socket: Socket) => void,
): Promise<void> {
  const verdict = await deps.auth.check(kubeletRequest(request, deps.clock.now()));
  if (verdict.kind === 'refused') throw new UpgradeError(verdict.status, verdict.text.trimEnd());
  trust(request.socket);
  // Remove the token from the headers, so that it is not passed on.
  const offered = request.headers['sec-websocket-protocol'];
  if (offered !== undefined) request.headers['sec-websocket-protocol'] = withoutToken(offered);
  const target = parseStreamPath(request.url ?? '/');
  if (target === undefined) throw new UpgradeError(404, '404 page not found');
  const isWebSocket = (request.headers.upgrade ?? '').toLowerCase() === 'websocket';
  if (isWebSocket) checkPortsNamed(request, target);
  const worker = deps.pods.find(target.namespace, target.pod, target.uid);
  const url = await streamingUrl(deps.runtime, worker, target);
  if (isWebSocket) await serveWebSocket(request, socket, head, target, url);
  else await relayUpgrade(request, socket, head, url);
}

/**
 * The handlers of all paths but the streams, which are upgrades.
 * @param signal ends logs that are followed
 * @param trust called with the connections of authorized clients
 */
export function kubeletApp(deps: ServerDeps, signal: AbortSignal, trust: (socket: Socket) => void = () => undefined): Express {
  const app = express();
  app.disable('x-powered-by');
  // Authorization depends on the exact path, so `/PODS` must not be the same as `/pods`.
  app.enable('case sensitive routing');
  app.use(async (request, response, next) => {
    const verdict = await deps.auth.check(kubeletRequest(request, deps.clock.now()));
    if (verdict.kind === 'allowed') {
      trust(request.socket);
      next();
    } else {
      // Close the connection of a refused client.
      response.set('connection', 'close').type('text').status(verdict.status).send(verdict.text);
    }
  });
  app.get(
    ['/healthz', '/healthz/ping', '/healthz/syncloop', '/healthz/log'],
    (_request, response) => void response.type('text').send('ok'),
  );
  app.get('/pods', (_request, response) => void response.json(podList(deps.pods.workers().map(({ pod }) => pod))));
  app.get(['/runningpods', '/runningpods/'], (_request, response) => void response.json(podList(runningPods(deps))));
  app.get(['/containerLogs/:namespace/:pod/:container'], (request, response) => sendLog(deps, request, response, signal));
  app.get('/stats/summary', async (_request, response) => {
    response.json(await statsSummary({ ...deps, pods: deps.pods.workers().map(({ pod }) => pod) }));
  });
  app.get('/metrics', async (_request, response) => {
    response.type('text/plain; version=0.0.4').send(
      await renderMetrics({
        workers: deps.pods.workers(),
        nodeName: deps.nodeName,
        uptimeMs: deps.clock.now() - deps.startedMs,
      }),
    );
  });
  app.get('/metrics/resource', async (_request, response) => {
    response.type('text/plain; version=0.0.4').send(renderResourceMetrics(await usageSummary(deps)));
  });
  app.get('/configz', (_request, response) => void response.json({ kubeletconfig: deps.configuration }));
  app.get(/^\/logs(?:\/|$)/, async (request, response) => {
    await sendNodeLogs(deps.nodeLogsDir ?? '/var/log', decodeURIComponent(request.path).slice('/logs'.length), request, response);
  });
  app.use((error: unknown, _request: Request, response: Response, next: (error: unknown) => void) => {
    // A bad percent encoding in the path is the client's mistake: it is answered and not logged.
    const status = error instanceof URIError ? 400 : 500;
    if (status === 500) deps.log.warn({ err: error }, 'a request to the kubelet failed');
    if (response.headersSent) next(error);
    else response.status(status).type('text').send(messageText(error));
  });
  return app;
}

/** The summary with start times; undefined when usage could not be read, which is logged. */
async function usageSummary(deps: ServerDeps): Promise<UsageSummary | undefined> {
  try {
    // Times need milliseconds: metrics-server computes rates over 15 s.
    const timeText = (ms: number): string => new Date(ms).toISOString();
    const measured = deps.pods.workers().map(({ pod }) => pod);
    const summary = (await statsSummary({ ...deps, pods: measured, timeText })) as UsageSummary;
    const started = new Map(
      deps.pods
        .workers()
        .flatMap(({ pod: { metadata }, status }) =>
          (status.containerStatuses ?? []).map(({ name, state }) => [
            `${metadata.namespace}/${metadata.name}/${name}`,
            state?.running?.startedAt,
          ]),
        ),
    );
    const pods = summary.pods.map((pod) => ({
      ...pod,
      // The times in the summary are those of the reading; the metrics show when the container started.
      containers: pod.containers.map((container) => {
        const startTime = started.get(`${pod.podRef.namespace}/${pod.podRef.name}/${container.name}`);
        return { name: container.name, cpu: container.cpu, memory: container.memory, startTime };
      }),
    }));
    return { ...summary, pods };
  } catch (error) {
    deps.log.warn({ err: error }, 'usage could not be read');
    return undefined;
  }
}

const podList = (items: readonly object[]): object => ({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items });

/** The pods with running containers, as the runtime has them: names, UIDs and images. */
function runningPods(deps: ServerDeps): object[] {
  return deps.pods.workers().flatMap(({ pod, observed }) => {
    const running = observed?.containers.filter(({ status }) => status.state === 'CONTAINER_RUNNING') ?? [];
    if (running.length === 0) return [];
    const { namespace, name, uid } = pod.metadata;
    return [
      {
        metadata: { namespace, name, uid },
        spec: { containers: running.map((container) => ({ name: container.name, image: container.status.image.image })) },
        status: {},
      },
    ];
  });
}

async function sendLog(deps: ServerDeps, request: Request, response: Response, signal: AbortSignal): Promise<void> {
  const { namespace, pod: podName, container } = request.params as Record<'namespace' | 'pod' | 'container', string>;
  const worker = deps.pods.find(namespace, podName);
  if (worker === undefined) {
    response.status(404).type('text').send(`pod "${podName}" not found\n`);
    return;
  }
  const wanted = readLogQuery(queryOf(request.url), deps.clock.now());
  if (wanted.kind === 'refused') {
    response.status(wanted.status).type('text').send(wanted.message);
    return;
  }
  const { options } = wanted;
  let id: string;
  try {
    id = logContainerId(worker.pod, worker.status, container, options.previous);
  } catch (error) {
    response.status(400).type('text').send(messageText(error));
    return;
  }
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  const isRunning = async (): Promise<boolean> => {
    try {
      return (await deps.runtime.containerStatus(id)).state === 'CONTAINER_RUNNING';
    } catch (error) {
      // A removed container writes no more. When the runtime cannot be asked, the container may still run.
      return !isNotFound(error);
    }
  };
  const status = await deps.runtime.containerStatus(id).catch((error: unknown) => {
    deps.log.warn({ err: error, container, pod: podName }, 'the log of a container was asked for that cannot be looked at');
  });
  if (status === undefined) {
    response.status(400).type('text').send(`unable to retrieve container logs for ${deps.runtimeName}://${id}`);
    return;
  }
  const path = status.logPath;
  response.status(200).type('text/plain');
  response.flushHeaders();
  try {
    for await (const text of readLog(path, options, isRunning, AbortSignal.any([gone.signal, signal]))) {
      if (!response.write(text) && !gone.signal.aborted) await once(response, 'drain', { signal: gone.signal });
    }
  } catch (error) {
    // The client has left: nobody reads an error.
    if (gone.signal.aborted) return;
    deps.log.warn({ err: error, container, pod: podName }, 'a container log could not be read');
    response.write(`failed to try resolving symlinks in path ${JSON.stringify(path)}: ${messageText(error)}\n`);
  }
  response.end();
}
