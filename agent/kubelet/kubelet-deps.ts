/** The dependencies of a kubelet: the API, the container runtime, the machine, the clock. */
import type { Logger } from 'pino';
import type { Cgroups } from '#agent/host/cgroup.ts';
import type { Exec } from '#agent/host/exec.ts';
import type { ContainerRuntime } from '#agent/runtime/runtime.ts';
import type { Client } from '#client/client.ts';
import type { Clock } from '#client/clock.ts';
import type { EventRecorder } from '#client/event-recorder.ts';
import type { Informers } from '#client/informers.ts';
import type { LeftOutReporter } from '#client/left-out.ts';
import type { NetworkGate } from './pod/network-gate.ts';
import type { ProbeRunner } from './probes/probe-run.ts';
import type { PodManifests } from './static/pod-manifests.ts';

/** The dependencies of a kubelet. */
export interface KubeletDeps {
  client: Client;
  /** With `kubeletSelections` of kubelet.ts; run by the caller. */
  informers: Informers;
  runtime: ContainerRuntime;
  clock: Clock;
  /** In [0, 1). */
  random: () => number;
  log: Logger;
  /** Records events with component `kubelet` and the node's name as host. */
  events: EventRecorder;
  /** Called for pods that this kubelet cannot accept. */
  leftOut: LeftOutReporter;
  exec: Exec;
  /** Default: those of this machine. */
  cgroups?: Cgroups | undefined;
  /** Reads the manifests of static pods; needed where the options name a path or URL of them. */
  podManifests?: PodManifests | undefined;
  /** What enforces network policies on this node. Absent: nobody, or the user's own CNI. */
  networkGate?: NetworkGate | undefined;
  /** Default: real probes. */
  probeRunner?: ProbeRunner | undefined;
}
