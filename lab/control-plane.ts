/** The lab's control plane: `tinker server`, which listens on the bridge. */
import { join } from 'node:path';
import type { DaemonSpec } from '#agent/host/daemon.ts';
import { type Client } from '#client/client.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { startAndAwait } from './await-daemon.ts';
import type { Lab } from './config.ts';
import { labMark } from './lab-processes.ts';
import { serverArgv } from './program.ts';

/** The daemon of the lab's `tinker server`. */
export function serverDaemon(lab: Lab): DaemonSpec {
  return {
    name: 'control plane',
    argv: [
      ...serverArgv(),
      `--data-dir=${join(lab.dataDir, 'server')}`,
      `--bind-address=${lab.hostIp}`,
      `--advertise-address=${lab.hostIp}`,
      `--service-cluster-ip-range=${lab.serviceCidr}`,
      `--cluster-cidr=${lab.clusterCidr}`,
      `--write-kubeconfig=${lab.kubeconfig}`,
      // As the textbook has it; upstream's newest default is 50 s.
      '--node-monitor-grace-period=40s',
      ...(lab.serverArgs ?? []),
    ],
    pidFile: join(lab.stateDir, 'server.pid'),
    logFile: join(lab.logDir, 'server.log'),
    env: labMark(lab),
  };
}

/** A client with the administrator's rights. `close` closes its connection. */
export function adminClient(lab: Lab): { client: Client; close: () => void } {
  const transport = createHttpTransport(loadKubeconfig(lab.kubeconfig));
  return { client: createClient(transport, { userAgent: 'tinker-lab' }), close: () => transport.close() };
}

/** Starts `tinker server` unless it runs, and waits until it is ready. @throws Error with the last lines of its log */
export async function startControlPlane(lab: Lab): Promise<void> {
  await startAndAwait(serverDaemon(lab), () => isReady(lab), 30_000);
}

/** Whether the API server says that it is ready. @throws Error when it cannot be reached */
export async function isReady(lab: Lab): Promise<boolean> {
  const { client, close } = adminClient(lab);
  try {
    return (await client.raw({ method: 'GET', path: '/readyz', headers: {} })).status === 200;
  } finally {
    close();
  }
}
