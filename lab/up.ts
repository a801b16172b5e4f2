/** Starts a lab, step by step. Every step first checks what exists, so that running it twice is harmless. */

import type { Exec } from '#agent/host/exec.ts';
import { readyCondition } from '#api/node-conditions.ts';
import { untilOrEnd } from './await-daemon.ts';
import { allHosts, type Lab, type Worker } from './config.ts';
import { checkConflicts } from './conflicts.ts';
import { adminClient, startControlPlane } from './control-plane.ts';
import { findBusybox } from './images/busybox.ts';
import { buildComponentImages } from './images/component-images.ts';
import { buildLabImages } from './images/lab-images.ts';
import { makeAddons } from './layout/addons.ts';
import { makeMachines, markControlPlane, startMachines } from './layout/lay-out.ts';
import { machineDaemon } from './machine/machine.ts';
import { createNetwork } from './network.ts';
import { routeToPods } from './pod-routes.ts';
import { buildProgram } from './program.ts';
import { checkRecord, writeRecord } from './record.ts';
import { pushImages, startRegistry } from './registry.ts';
import { makeStorageClass } from './storage-class.ts';
import { checkSystem, installPackages, missingPackages } from './system.ts';
import { agentDaemon, startAgent, startRuntime } from './worker.ts';

/** One step of starting a lab. */
export interface LabStep {
  title: string;
  run(): Promise<void>;
  /** A note for the user after the step; undefined: none. */
  note?(): string | undefined;
  /** The reason why the step can be skipped; false: it must run. */
  skip?(): string | false;
}

/** The steps from a new machine to Ready nodes, in order. */
export function labSteps(lab: Lab, exec: Exec): LabStep[] {
  let note: string | undefined;
  return [
    { title: 'Check the machine', run: async () => checkMachine(lab, exec) },
    {
      title: "Install Debian's packages",
      skip: () => missingPackages(lab).length === 0 && 'all there',
      run: () => installPackages(missingPackages(lab), exec),
    },
    { title: 'Bundle the program', run: buildProgram },
    {
      title: `Join ${lab.hosts.length} network namespaces by ${lab.networks.length > 1 ? 'the bridges' : 'the bridge'} ${lab.networks.map(({ bridge }) => bridge).join(' and ')}`,
      run: () => startNetwork(lab, exec),
    },
    {
      title: 'Build images, serve them from the registry',
      run: async () => {
        await startRegistry(lab);
        const busybox = await findBusybox({ exec });
        await pushImages(lab, await buildLabImages(exec, busybox));
        if (lab.controlPlane !== undefined) await pushImages(lab, await buildComponentImages(exec));
        note = busybox.note;
      },
      note: () => note,
    },
    ...(lab.controlPlane === undefined ? processSteps(lab) : machineSteps(lab, lab.controlPlane)),
    { title: 'Route to the pods', run: () => routeToPods(lab, exec) },
  ];
}

/** Layout single: one process is the control plane, and one on each worker the node. */
function processSteps(lab: Lab): LabStep[] {
  return [
    { title: 'Start the control plane', run: () => startControlPlane(lab) },
    { title: 'Make the default StorageClass', run: () => makeStorageClass(lab) },
    { title: `Start ${lab.runtime} on every worker`, run: () => onEveryWorker(lab, (worker) => startRuntime(lab, worker)) },
    { title: 'Start the agents', run: () => onEveryWorker(lab, (worker) => startAgent(lab, worker)) },
    { title: 'Wait for Ready nodes', run: () => untilNodesReady(lab) },
  ];
}

/** The layouts whose hosts are machines. */
function machineSteps(lab: Lab, controlPlane: Worker): LabStep[] {
  return [
    { title: 'Make keys, certificates and unit files', run: () => makeMachines(lab, controlPlane, Date.now()) },
    { title: `Switch on ${allHosts(lab).length} machines`, run: () => startMachines(lab, controlPlane) },
    { title: 'Make the default StorageClass', run: () => makeStorageClass(lab) },
    { title: 'Make the DaemonSets of network and DNS', run: () => makeAddons(lab) },
    { title: 'Wait for Ready nodes', run: () => untilNodesReady(lab, 180_000) },
    { title: `Give ${controlPlane.name} its role and taint`, run: () => markControlPlane(lab, controlPlane) },
  ];
}

/** Runs all steps without a display, for tests and benchmarks. */
export async function startLab(lab: Lab, exec: Exec): Promise<void> {
  for (const step of labSteps(lab, exec)) {
    if (step.skip === undefined || step.skip() === false) await step.run();
  }
}

async function checkMachine(lab: Lab, exec: Exec): Promise<void> {
  checkSystem();
  checkRecord(lab);
  // On a new machine iproute2 is installed with the packages. Then this check runs before the network is made.
  if (!missingPackages(lab).includes('iproute2')) await checkConflicts(lab, exec);
}

async function startNetwork(lab: Lab, exec: Exec): Promise<void> {
  await checkConflicts(lab, exec);
  // The record is written first, so that `down` can remove everything after a crash.
  writeRecord(lab);
  await createNetwork(lab, exec);
}

async function onEveryWorker(lab: Lab, start: (worker: Lab['hosts'][number]) => Promise<void>): Promise<void> {
  await Promise.all(lab.hosts.map(start));
}

/**
 * Resolves when every worker's Node is Ready. @throws Error that names the nodes that are not, with reasons; at once when an
 * agent has ended
 */
export async function untilNodesReady(lab: Lab, timeoutMs = 60_000): Promise<void> {
  const { client, close } = adminClient(lab);
  let states: string[] = [];
  const ask = async (): Promise<boolean> => {
    const nodes = (await client.resource('nodes').list()).items;
    states = await Promise.all(
      allHosts(lab).map(async ({ name }) => {
        const node = nodes.find(({ metadata }) => metadata.name === name);
        const ready = node === undefined ? undefined : readyCondition(node);
        if (ready?.status !== 'True')
          return `${name}: ${node === undefined ? 'not registered' : (ready?.message ?? 'no Ready condition')}`;
        // A failed node stays Ready for the grace period. Only the agent itself can tell that it runs.
        const { status } = await client.raw({
          method: 'GET',
          path: `/api/v1/nodes/${name}/proxy/healthz`,
          headers: {},
          signal: AbortSignal.timeout(2000),
        });
        return status === 200 ? '' : `${name}: its kubelet does not answer (status ${status})`;
      }),
    );
    return states.every((state) => state === '');
  };
  try {
    const agents = allHosts(lab).map((host) =>
      lab.controlPlane === undefined ? agentDaemon(lab, host) : machineDaemon(lab, host),
    );
    await untilOrEnd('all nodes are Ready', agents, ask, {
      timeoutMs,
      everyMs: 100,
      onTimeout: () => `${states.filter((state) => state !== '').join('; ')}; the agents' logs are in ${lab.logDir}`,
    });
  } finally {
    close();
  }
}
