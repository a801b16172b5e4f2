/** Helm 4 with two charts of different shape through its commands: install, upgrade, rollback, test, get, uninstall, … */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ExecError, execFile } from '#agent/host/exec.ts';
import { kubectlPath } from '#lab/kubectl.ts';
import { until } from '#lab/until.ts';
import { database, webApp, writeChart } from './charts.ts';
import type { Cluster } from './cluster.ts';

const ns = 'charts';
const waiting = ['--wait', '--timeout=180s'];

export function helmChartSuite(cluster: () => Cluster): void {
  const helm = async (...args: string[]): Promise<string> => {
    const { scratch, lab } = cluster();
    const env = Object.fromEntries(
      ['CACHE', 'CONFIG', 'DATA'].map((name) => [`HELM_${name}_HOME`, join(scratch, 'helm-4', name)]),
    );
    const argv = [kubectlPath('1.36', 'helm'), `--kubeconfig=${lab.kubeconfig}`, `--namespace=${ns}`, ...args];
    return (await execFile(argv, { env, timeoutMs: 300_000 })).stdout;
  };
  const fails = async (...args: string[]): Promise<string> =>
    helm(...args).then(
      (said) => assert.fail(`helm ${args.join(' ')} did not fail: ${said}`),
      (error: unknown) => {
        if (error instanceof ExecError) return error.result.stderr;
        throw error;
      },
    );
  const kubectl = (...args: string[]): Promise<string> => cluster().kubectl(['-n', ns, ...args], { version: '1.36' });
  const value = (what: string, path: string): Promise<string> => kubectl('get', what, '-o', `jsonpath=${path}`);

  describe('helm 4 and a web application', () => {
    let chart = '';
    before(async () => {
      chart = writeChart(join(cluster().scratch, 'web-app'), webApp);
      await cluster().namespace(ns);
    });

    it('is checked, and tried on the server, without a trace', async () => {
      assert.match(await helm('lint', chart), /1 chart\(s\) linted, 0 chart\(s\) failed/);
      const said = await helm('install', 'shop', chart, '--dry-run=server');
      assert.match(said, /STATUS: pending-install[^]*kind: HorizontalPodAutoscaler/);
      assert.equal(await kubectl('get', 'deployments,secrets', '-o', 'name'), '');
    });

    it('is installed, with its hooks and everything around it', async () => {
      const said = await helm('install', 'shop', chart, ...waiting);
      assert.match(said, /STATUS: deployed\nREVISION: 1\n[^]*Ask shop for hello\./);
      const kinds = 'deployment,service,serviceaccount,configmap,hpa,ingress,networkpolicy,pdb';
      const made = await kubectl('get', kinds, '-o', 'name');
      for (const name of [
        'deployment.apps/shop',
        'service/shop',
        'serviceaccount/shop',
        'configmap/shop',
        'configmap/shop-pre-install',
        'configmap/shop-post-install',
        'horizontalpodautoscaler.autoscaling/shop',
        'ingress.networking.k8s.io/shop',
        'networkpolicy.networking.k8s.io/shop',
        'poddisruptionbudget.policy/shop',
      ])
        assert.ok(made.split('\n').includes(name), `${name} of ${made}`);
      assert.equal(await value('deployment/shop', '{.status.readyReplicas}'), '1');
      await until('the budget is counted', async () => (await value('pdb/shop', '{.status.expectedPods}')) === '1', {
        timeoutMs: 60_000,
      });
    });

    it('passes its test, and tells of itself', async () => {
      assert.match(await helm('test', 'shop', '--timeout=180s'), /TEST SUITE: +shop-test\n[^]*Phase: +Succeeded/);
      assert.match(await helm('status', 'shop'), /STATUS: deployed/);
      assert.match(await helm('list'), /shop\s+charts\s+1\s.*deployed\s+web-app-0\.1\.0/);
      assert.match(await helm('get', 'manifest', 'shop'), /kind: NetworkPolicy/);
      assert.match(await helm('get', 'hooks', 'shop'), /helm\.sh\/hook: pre-install/);
      assert.match(await helm('get', 'notes', 'shop'), /Ask shop for hello/);
      assert.match(await helm('get', 'values', 'shop', '--all'), /greeting: hello/);
      assert.match(await helm('get', 'metadata', 'shop'), /CHART: web-app/);
      assert.match(await helm('get', 'all', 'shop'), /kind: Ingress/);
    });

    it('is upgraded: the fields change, and what the values leave out goes', async () => {
      const set = 'version=2,greeting=hi,ingress.enabled=false,autoscaling.min=2';
      assert.match(await helm('upgrade', 'shop', chart, '--set', set, ...waiting), /REVISION: 2\n/);
      assert.equal(await value('deployment/shop', '{..image}'), 'tinkernetes/web:2');
      assert.equal(await value('configmap/shop', '{.data.greeting}'), 'hi');
      assert.equal(await kubectl('get', 'ingress', '-o', 'name'), '');
      assert.equal(await value('configmap/shop-post-upgrade', '{.data.revision}'), '2');
      assert.equal(await value('hpa/shop', '{.spec.minReplicas}'), '2');
    });

    it('goes back by itself when an upgrade fails', async () => {
      const set = ['--set', 'version=none', '--rollback-on-failure', '--timeout=15s'];
      assert.match(await fails('upgrade', 'shop', chart, '--reuse-values', ...set), /UPGRADE FAILED|rolled back|rollback/);
      assert.equal(await value('deployment/shop', '{..image}'), 'tinkernetes/web:2');
      assert.match(await helm('history', 'shop'), /3\s.*failed[^]*4\s.*deployed.*Rollback to 2/);
    });

    it('is rolled back', async () => {
      await helm('rollback', 'shop', '1', ...waiting);
      assert.equal(await value('deployment/shop', '{..image}'), 'tinkernetes/web:1');
      assert.equal(await kubectl('get', 'ingress', '-o', 'name'), 'ingress.networking.k8s.io/shop\n');
    });

    it('is refused by the server with the field that is wrong', async () => {
      assert.match(
        await fails('upgrade', 'shop', chart, '--set', 'autoscaling.max=0'),
        /spec\.maxReplicas: Required value: must be set and greater than 0/,
      );
    });

    it('is uninstalled, and its hooks run once more', async () => {
      assert.match(await helm('uninstall', 'shop', ...waiting), /release "shop" uninstalled/);
      const left = await kubectl('get', 'deployment,service,hpa,ingress,networkpolicy,pdb,secret', '-o', 'name');
      assert.equal(left, '');
      assert.match(await kubectl('get', 'configmaps', '-o', 'name'), /configmap\/shop-pre-delete\n/);
    });
  });

  describe('helm 4 and a database', () => {
    let chart = '';
    before(() => {
      chart = writeChart(join(cluster().scratch, 'database'), database);
    });

    it('is installed after its job, with claims that are bound', async () => {
      await helm('install', 'db', chart, '--set', 'replicas=2', ...waiting);
      assert.equal(await value('job/db-set-up', '{.status.succeeded}'), '1');
      assert.equal(await value('statefulset/db', '{.status.readyReplicas}'), '2');
      assert.equal(await value('pvc', '{.items[*].status.phase}'), 'Bound Bound');
      assert.equal(await value('pvc', '{.items[*].metadata.name}'), 'data-db-0 data-db-1');
      const asked = await kubectl('auth', 'can-i', 'list', 'pods', `--as=system:serviceaccount:${ns}:db`);
      assert.equal(asked, 'yes\n');
      assert.match(await kubectl('exec', 'db-0', '--', 'nslookup', `db-1.db.${ns}.svc.cluster.local`), /Address: \d/);
    });

    it('keeps its secret and its claims through an upgrade', async () => {
      const password = await value('secret/db', '{.data.password}');
      await kubectl('delete', 'pod', 'db-0', '--now');
      await helm('upgrade', 'db', chart, '--set', 'replicas=1', ...waiting);
      assert.equal(await value('secret/db', '{.data.password}'), password);
      assert.equal(await value('pvc', '{.items[*].metadata.name}'), 'data-db-0 data-db-1');
      await cluster().untilReadyPods(ns, 'app.kubernetes.io/instance=db', 1);
      assert.equal(await kubectl('exec', 'db-0', '--', 'cat', '/data/starts'), 'db-0\ndb-0\n');
    });

    it('fails when its job fails, and is as before after a rollback', async () => {
      assert.match(await fails('upgrade', 'db', chart, '--set', 'setUp=false', '--timeout=60s'), /pre-upgrade hooks failed/);
      assert.match(await helm('status', 'db'), /STATUS: failed/);
      await helm('rollback', 'db', '1', ...waiting);
      assert.equal(await value('statefulset/db', '{.spec.replicas}'), '2');
    });

    it('is told when a field cannot change', async () => {
      assert.match(
        await fails('upgrade', 'db', chart, '--set', 'size=2Mi'),
        /updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', /,
      );
    });

    it('leaves its claims behind', async () => {
      await helm('uninstall', 'db', ...waiting);
      assert.equal(await kubectl('get', 'statefulset,role,rolebinding,service', '-o', 'name'), '');
      assert.equal(await value('pvc', '{.items[*].metadata.name}'), 'data-db-0 data-db-1');
      await kubectl('delete', 'pvc', '--all');
    });
  });
}
