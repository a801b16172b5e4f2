/**
 * The kubelet: registers this machine as a Node and runs the pods bound to it.
 *
 * `node-parts.ts` and `pod-parts.ts` put its parts together, `sync-loop.ts` and `pod/pod-set.ts` run the pods; this file starts and stops
 * them.
 *
 * Source: upstream `pkg/kubelet/kubelet.go`; DESIGN.md, "Kubelet".
 */
import { mkdir } from 'node:fs/promises';
import { manifestFiles } from '#agent/host/manifest-files.ts';
import { createMounts } from '#agent/host/mount.ts';
import type { Pod } from '#api/types.generated.ts';
import { sleep } from '#client/clock.ts';
import type { InformerSelections } from '#client/informers.ts';
import type { KubeletDeps } from './kubelet-deps.ts';
import { createNodeParts } from './node-parts.ts';
import type { KubeletOptions } from './options.ts';
import { type ResolvedOptions, withDefaults } from './options.ts';
import { kubeletPaths } from './paths.ts';
import type { Pleg } from './pod/pleg.ts';
import type { PodSet } from './pod/pod-set.ts';
import { createPodParts } from './pod-parts.ts';
import { createKubeletAuth } from './server/auth/create-kubelet-auth.ts';
import { kubeletConfiguration } from './server/configz.ts';
import { serveKubelet } from './server/server.ts';
import { FileSource } from './static/file-source.ts';
import type { ManifestSource } from './static/static-pod.ts';
import { askForManifests, UrlSource } from './static/url-source.ts';
import { runSyncLoop, type SyncLoopDeps } from './sync-loop.ts';
import { runLocalPathRemovals } from './volumes/local-path.ts';

/** A kubelet that is set up but does nothing until it runs. */
export interface Kubelet {
  /** Runs until `signal` aborts, and settles when everything of the kubelet has ended. Containers run on. */
  run(signal: AbortSignal): Promise<void>;
}

/** What a kubelet watches: its own pods, its own Node, and all Services (for their environment variables). */
export const kubeletSelections = (nodeName: string): InformerSelections => ({
  pods: { fieldSelector: `spec.nodeName=${nodeName}` },
  nodes: { fieldSelector: `metadata.name=${nodeName}` },
});

const listRetryMs = 500;

/** A kubelet that does nothing until it runs. */
export function createKubelet(deps: KubeletDeps, options: KubeletOptions): Kubelet {
  return { run: (signal) => runKubelet(deps, options, signal) };
}

async function runKubelet(deps: KubeletDeps, given: KubeletOptions, outer: AbortSignal): Promise<void> {
  const { client, runtime, informers, clock, log, events } = deps;
  const options = withDefaults(given);
  const { nodeName } = options;
  // Informers start at once, so that they list while we wait for the runtime.
  const watched = {
    pods: informers.informer('pods'),
    nodes: informers.informer('nodes'),
    services: informers.informer('services'),
  };
  // When one part fails, the whole kubelet stops in order.
  const inner = new AbortController();
  const signal = AbortSignal.any([outer, inner.signal]);
  const paths = kubeletPaths(options.dataDir, options.podLogsDir);
  for (const directory of [paths.podsDir, paths.podLogsRoot]) await mkdir(directory, { recursive: true, mode: 0o755 });

  let pods: PodSet | undefined;
  const wake = (uid: string): void => pods?.wake(uid);
  const nodeParts = await createNodeParts(deps, options, wake);
  const { nodeAgent, health, pleg, machine } = nodeParts;
  const version = await health.untilAnswering(signal);
  if (version === undefined) return;
  const mounts = createMounts(deps.exec);
  const podParts = createPodParts(deps, options, { paths, mounts, nodeParts, runtimeName: version.runtimeName, wake, signal });
  pods = podParts.pods;

  await untilListed(pleg, deps, signal);
  events.event({ kind: 'Node', name: nodeName, uid: nodeName }, 'Normal', 'Starting', 'Starting kubelet.');
  const server = serveKubelet(
    {
      runtime,
      log,
      clock,
      nodeName,
      runtimeName: version.runtimeName,
      pods,
      observeNode: nodeParts.observeNode,
      cgroups: nodeParts.cgroups,
      cgroupRoot: options.cgroupRoot,
      auth: createKubeletAuth(deps, options),
      startedMs: clock.now(),
      configuration: kubeletConfiguration(options),
    },
    options.serving,
    signal,
  );
  const loop = runSyncLoop(
    {
      ...podParts,
      informers: watched,
      nodeAgent,
      nodeName,
      machine,
      manifests: manifestSources(deps, options, (source, found) => podParts.statics.found(source, found)),
      clock,
      log,
    },
    signal,
  );
  const removals = runLocalPathRemovals({ client, nodes: watched.nodes, nodeName, paths, mounts, clock, log }, signal);
  const parts = [nodeAgent.run(signal), health.run(signal), pleg.run(signal), loop, removals, server].map((part) =>
    part.catch((error: unknown) => {
      inner.abort();
      throw error;
    }),
  );
  const results = await Promise.allSettled(parts);
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  log.info({ node: nodeName }, 'the kubelet has ended; containers run on');
}

/** @throws Error when nothing can read the manifests */
function manifestSources(
  { podManifests: manifests, clock, log }: KubeletDeps,
  options: ResolvedOptions,
  found: (source: ManifestSource, pods: readonly Pod[]) => void,
): SyncLoopDeps['manifests'] {
  const { staticPodPath: path, staticPodUrl: url, nodeName } = options;
  if (path === undefined && url === undefined) return {};
  if (manifests === undefined) throw new Error(`static pods of ${path ?? url}: this kubelet cannot read manifests`);
  const sources: SyncLoopDeps['manifests'] = {};
  if (path !== undefined) {
    log.info({ path }, 'Adding static pod path');
    const deps = { files: manifestFiles, manifests, clock, log, found: (pods: readonly Pod[]) => found('file', pods) };
    sources.file = new FileSource(deps, { path, nodeName, everyMs: options.fileCheckFrequencyMs });
  }
  if (url !== undefined) {
    log.info({ url }, 'Adding pod URL with HTTP header');
    const deps = { ask: askForManifests, manifests, clock, log, found: (pods: readonly Pod[]) => found('http', pods) };
    const headers = options.staticPodUrlHeaders;
    sources.http = new UrlSource(deps, { url, headers, nodeName, everyMs: options.httpCheckFrequencyMs });
  }
  return sources;
}

/** A node is not ready before its pods were listed once, so the list must come before the node's first status. */
async function untilListed(pleg: Pleg, { clock, log }: KubeletDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await pleg.relist();
      return;
    } catch (error) {
      log.warn({ err: error }, 'the container runtime could not be listed; will be tried again');
      await sleep(clock, listRetryMs, signal);
    }
  }
}
