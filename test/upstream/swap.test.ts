/**
 * Components are interchangeable: in a control plane of ours, one component after the other is upstream's, and the other way round. Each plane
 * has to make pods of a Deployment and bind them.
 *
 * `TINKER_UPSTREAM=<folder with kube-apiserver, kube-controller-manager, kube-scheduler 1.36> node --test test/upstream/swap.test.ts`;
 * `npm run build` first. kube-apiserver of upstream needs etcd (Debian's etcd-server).
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createHttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { distFolder } from '#lab/program.ts';
import { bindDeployment } from '#test/components/bound-deployment.testing.ts';
import {
  apiServerFlags,
  controllerManagerFlags,
  makePlaneFiles,
  type PlaneFiles,
  schedulerFlags,
} from '#test/components/control-plane.testing.ts';
import { eventually, type Program, type Running, startComponent } from '#test/components/processes.testing.ts';
import { freePort } from '#test/free-port.ts';

const folder = process.env['TINKER_UPSTREAM'] ?? '';
const components = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;
type Component = (typeof components)[number];

/** Which components of a plane are upstream's. */
const planes: readonly Component[][] = [
  ...components.map((component) => [component]),
  ...components.map((component) => components.filter((one) => one !== component)),
];

const hasEtcd = existsSync('/usr/bin/etcd');

/** Why a plane cannot be tried; false: it can. */
function reason(upstream: readonly Component[]): string | false {
  if (folder === '') return 'needs upstream: TINKER_UPSTREAM=<folder of binaries> node --test test/upstream/swap.test.ts';
  if (!existsSync(join(distFolder, 'bin/kube-apiserver'))) return 'needs the executable: npm run build';
  const missing = upstream.find((component) => !existsSync(join(folder, component)));
  if (missing !== undefined) return `${missing} is not in ${folder}`;
  return upstream.includes('kube-apiserver') && !hasEtcd ? 'needs etcd: apt-get install etcd-server' : false;
}

const flagsOf: Readonly<Record<Component, (files: PlaneFiles) => string[]>> = {
  'kube-apiserver': apiServerFlags,
  'kube-controller-manager': controllerManagerFlags,
  'kube-scheduler': schedulerFlags,
};

/** Starts a member for upstream's API server. @returns its URL */
async function startEtcd(files: PlaneFiles, running: Running[]): Promise<string> {
  const [client, peer] = [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`];
  const data = join(files.folder, 'etcd');
  mkdirSync(data, { mode: 0o700 });
  const urls = ['--listen-client-urls', client, '--advertise-client-urls', client, '--listen-peer-urls', peer];
  const cluster = ['--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`];
  running.push(startComponent(() => ['/usr/bin/etcd'], 'etcd', ['--data-dir', data, ...urls, ...cluster]));
  return client;
}

describe("components of upstream's and of ours together", { timeout: 1_800_000 }, () => {
  for (const upstream of planes) {
    const name = `binds pods where ${upstream.join(' and ')} ${upstream.length === 1 ? 'is' : 'are'} upstream's`;
    it(name, { skip: reason(upstream) }, async () => {
      const files = await makePlaneFiles();
      const running: Running[] = [];
      const transport = createHttpTransport(loadKubeconfig(files.kubeconfig('admin')));
      try {
        const etcd = upstream.includes('kube-apiserver') ? await startEtcd(files, running) : undefined;
        const program: Program = (component) => [
          upstream.some((one) => one === component) ? join(folder, component) : join(distFolder, 'bin', component),
        ];
        for (const component of components) {
          const flags = flagsOf[component](files).filter((flag) => etcd === undefined || !flag.startsWith('--data-dir'));
          if (component === 'kube-apiserver' && etcd !== undefined) flags.push(`--etcd-servers=${etcd}`);
          running.push(startComponent(program, component, flags));
        }
        const client = createClient(transport, { userAgent: 'test' });
        await eventually('the API server is ready', async () => {
          const { status } = await client.raw({ method: 'GET', path: '/readyz', headers: {} });
          return status === 200 ? true : undefined;
        });
        await bindDeployment(client);
      } catch (error) {
        throw new Error(running.map((one) => one.output().slice(-4000)).join('\n---\n'), { cause: error });
      } finally {
        transport.close();
        for (const one of running.toReversed()) await one.stop();
        files.remove();
      }
    });
  }
});
