/**
 * Lays out a cluster on machines. Layout "services", the hard way: every component of the control plane is a service of the host `controlplane`,
 * with a unit file under /etc/systemd/system. Layout "pods", as kubeadm: each is a static pod, with a manifest under /etc/kubernetes/manifests.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { ipAddress, mustParseCidr } from '#api/ip.ts';
import { controlPlaneRoleLabel } from '#api/node-labels.ts';
import type { Node } from '#api/types.generated.ts';
import { untilOrEnd } from '../await-daemon.ts';
import { allHosts, type Lab, type Worker } from '../config.ts';
import { adminClient, isReady } from '../control-plane.ts';
import { type MachineUnit, machineDaemon, machineOf, makeMachine, startMachine } from '../machine/machine.ts';
import { outside } from '../machine/spec.ts';
import { controlPlaneCommands } from './components.ts';
import { manifestOf } from './manifests.ts';
import { binFolder, nodeCredentialFiles, nodeFiles, nodeUnits } from './node.ts';
import { makeControlPlanePki } from './pki.ts';

/** Makes the files of all machines: keys, certificates, configuration, units. A machine that is switched on stays as it is. */
export async function makeMachines(lab: Lab, controlPlane: Worker, nowMs: number): Promise<void> {
  const folder = outside(machineOf(lab, controlPlane), '/etc/kubernetes');
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const { family, first } = mustParseCidr(lab.serviceCidr);
  const admin = await makeControlPlanePki(lab, controlPlane, folder, ipAddress(family, first + 1n).text, nowMs);
  writeFileSync(lab.kubeconfig, admin, { mode: 0o600 });
  for (const host of allHosts(lab)) {
    const credentials = await nodeCredentialFiles(lab, host, `${folder}/pki`, nowMs);
    const own = host === controlPlane ? controlPlaneParts(lab, host) : { units: [], files: {} };
    const units = [...own.units, ...nodeUnits(lab, host)];
    await makeMachine(lab, host, units, { ...nodeFiles(lab), ...credentials, ...own.files });
  }
}

function controlPlaneParts(lab: Lab, host: Worker): { units: MachineUnit[]; files: Record<string, string> } {
  const commands = controlPlaneCommands(lab, host, binFolder);
  if (lab.layout === 'pods') {
    const files = commands.map((command) => [`/etc/kubernetes/manifests/${command.name}.yaml`, manifestOf(command, host)]);
    return { units: [], files: Object.fromEntries(files) };
  }
  const after = (name: string): readonly string[] => (name === 'kube-apiserver' ? ['etcd'] : ['kube-apiserver']);
  const units = commands.map(({ name, ...command }) =>
    name === 'etcd' ? { name, ...command } : { name, ...command, after: after(name) },
  );
  return { units, files: {} };
}

/** Switches all machines on, and waits until the API server is ready. @throws Error with the last lines of a log */
export async function startMachines(lab: Lab, controlPlane: Worker): Promise<void> {
  const hosts = allHosts(lab);
  await Promise.all(hosts.map((host) => startMachine(lab, host)));
  await untilOrEnd('the API server is ready', [machineDaemon(lab, controlPlane)], () => isReady(lab), {
    timeoutMs: 180_000,
    everyMs: 100,
    onTimeout: () => `the logs are in ${outside(machineOf(lab, controlPlane), '/var/log')}`,
  });
}

/** Gives the control plane's Node its role and its taint, as kubeadm does. @throws ApiError */
export async function markControlPlane(lab: Lab, { name }: Worker): Promise<void> {
  const { client, close } = adminClient(lab);
  try {
    const nodes = client.resource('nodes');
    const { spec } = await nodes.get({ name });
    const taint = { key: controlPlaneRoleLabel, effect: 'NoSchedule' };
    const taints = [
      ...(spec.taints ?? []).filter(({ key }: NonNullable<Node['spec']['taints']>[number]) => key !== taint.key),
      taint,
    ];
    const labels = { [controlPlaneRoleLabel]: '', 'node.kubernetes.io/exclude-from-external-load-balancers': '' };
    await nodes.patch({ name }, { type: 'strategic', body: { metadata: { labels }, spec: { taints } } });
  } finally {
    close();
  }
}
