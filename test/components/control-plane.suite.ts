/** kube-apiserver, kube-controller-manager and kube-scheduler as processes of their own, with the flags of kubeadm's manifests. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { after, before, describe, it } from 'node:test';
import type { Client } from '#client/client.ts';
import { createHttpTransport, type HttpTransport } from '#client/http-transport.ts';
import { loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { bindDeployment } from './bound-deployment.testing.ts';
import {
  apiServerFlags,
  controllerManagerFlags,
  makePlaneFiles,
  type PlaneFiles,
  schedulerFlags,
} from './control-plane.testing.ts';
import { eventually, type Program, type Running, startComponent } from './processes.testing.ts';

/** A request to a component's own endpoint. */
function ask(port: number, path: string, kubeconfig?: string): Promise<{ status: number; text: string }> {
  const { cert, key } = kubeconfig === undefined ? {} : loadKubeconfig(kubeconfig);
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, rejectUnauthorized: false, cert, key, agent: false }, (answer) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(piece));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(pieces).toString() }));
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** @param program how each component is started */
export function describeControlPlane(program: Program): void {
  describe('the control plane as separate processes', () => {
    let files: PlaneFiles;
    let transport: HttpTransport;
    let client: Client;
    const running: Record<string, Running> = {};

    before(async () => {
      files = await makePlaneFiles();
      transport = createHttpTransport(loadKubeconfig(files.kubeconfig('admin')));
      client = createClient(transport, { userAgent: 'test' });
      running['kube-apiserver'] = startComponent(program, 'kube-apiserver', apiServerFlags(files));
      running['kube-controller-manager'] = startComponent(program, 'kube-controller-manager', controllerManagerFlags(files));
      running['kube-scheduler'] = startComponent(program, 'kube-scheduler', schedulerFlags(files));
      try {
        await eventually('the API server is ready', async () => {
          const { status } = await client.raw({ method: 'GET', path: '/readyz', headers: {} });
          return status === 200 ? true : undefined;
        });
      } catch (error) {
        throw new Error(
          Object.values(running)
            .map((one) => one.output())
            .join('\n'),
          { cause: error },
        );
      }
    });

    after(async () => {
      transport.close();
      for (const one of Object.values(running)) await one.stop();
      files.remove();
    });

    it('binds the pods of a Deployment: each part acts with its own user', async () => {
      await bindDeployment(client);
      const sets = await client.resource('replicasets.apps').list({ namespace: 'default' });
      assert.equal(sets.items[0]?.metadata.managedFields?.[0]?.manager, 'kube-controller-manager');
      const accounts = await client.resource('serviceaccounts').list({ namespace: 'kube-system' });
      assert.ok(accounts.items.some(({ metadata }) => metadata.name === 'deployment-controller'));
      const podCidr = await eventually(
        'the node has its range',
        async () => (await client.resource('nodes').get({ name: 'worker-1' })).spec.podCIDR,
      );
      assert.match(podCidr, /^10\.244\./);
    });

    it('holds the Leases of upstream', async () => {
      for (const name of ['kube-controller-manager', 'kube-scheduler']) {
        const lease = await client.resource('leases.coordination.k8s.io').get({ namespace: 'kube-system', name });
        assert.notEqual(lease.spec?.holderIdentity ?? '', '', name);
      }
    });

    for (const [component, port] of [
      ['kube-controller-manager', 'controllers'],
      ['kube-scheduler', 'scheduler'],
    ] as const) {
      it(`${component}: health is for everybody, metrics for who may`, async () => {
        const at = files.ports[port];
        for (const path of ['/healthz', '/livez', '/readyz'])
          assert.deepEqual(await ask(at, path), { status: 200, text: 'ok' }, path);
        const verbose = await ask(at, '/healthz?verbose');
        assert.match(verbose.text, /\[\+\]ping ok\n\[\+\]leaderElection ok\n/);
        const anonymous = await ask(at, '/metrics');
        assert.equal(anonymous.status, 403);
        assert.match(anonymous.text, /User \\"system:anonymous\\" cannot get path \\"\/metrics\\"/);
        const admin = await eventually('the CAs of clients are known', async () => {
          const answer = await ask(at, '/metrics', files.kubeconfig('admin'));
          return answer.status === 200 ? answer : undefined;
        });
        const own = await ask(at, '/metrics', files.kubeconfig('scheduler'));
        assert.equal(own.status, 403);
        assert.match(admin.text, /^process_cpu_seconds_total /m);
        assert.match(admin.text, new RegExp(`^leader_election_master_status\\{name="${component}"\\} 1$`, 'm'));
      });
    }

    it('shows the other components and is called by its name in the process list', async () => {
      const { pid } = running['kube-scheduler']?.child ?? {};
      assert.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^kube-scheduler --authentication-kubeconfig=/);
      assert.equal(readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), 'kube-scheduler');
      const { items } = await client.resource('componentstatuses').list();
      assert.deepEqual(
        items.map(({ metadata }) => metadata.name),
        ['controller-manager', 'etcd-0', 'scheduler'],
      );
    });

    it('says of flags that change nothing that they do not', () => {
      assert.match(running['kube-controller-manager']?.output() ?? '', /--cluster-name has no effect: /);
    });
  });
}
