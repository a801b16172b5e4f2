/** Helm as an example of a client other than kubectl: installs, upgrades, rolls back and removes a chart. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { execFile } from '#agent/host/exec.ts';
import { kubectlPath } from '#lab/kubectl.ts';
import { until } from '#lab/until.ts';
import type { Cluster } from './cluster.ts';

const ns = 'helm';

const templates: Record<string, string> = {
  'deployment.yaml': `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
  labels: {app: {{ .Release.Name }}, helm: {{ .Chart.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: tinkernetes/web:{{ .Values.version }}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
`,
  'service.yaml': `
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {app: {{ .Release.Name }}}
  ports: [{name: http, port: 80, targetPort: http}]
`,
};

export function helmSuite(cluster: () => Cluster): void {
  describe('helm', () => {
    let chart: string;
    const helm = async (...args: string[]): Promise<string> => {
      const { scratch, lab } = cluster();
      const env = {
        HELM_CACHE_HOME: join(scratch, 'helm/cache'),
        HELM_CONFIG_HOME: join(scratch, 'helm/config'),
        HELM_DATA_HOME: join(scratch, 'helm/data'),
      };
      return (
        await execFile([kubectlPath('1.35', 'helm'), `--kubeconfig=${lab.kubeconfig}`, `--namespace=${ns}`, ...args], {
          env,
          timeoutMs: 120_000,
        })
      ).stdout;
    };
    const answer = async (): Promise<string> => {
      const ip = await cluster().kubectl(['-n', ns, 'get', 'service', 'shop', '-o', 'jsonpath={.spec.clusterIP}']);
      return cluster().onWorker(0, ['busybox', 'wget', '-qO-', `http://${ip}/`]);
    };

    before(() => {
      chart = join(cluster().scratch, 'chart');
      mkdirSync(join(chart, 'templates'), { recursive: true });
      writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: tiny\nversion: 0.1.0\n');
      writeFileSync(join(chart, 'values.yaml'), 'replicas: 1\nversion: 1\n');
      for (const [name, text] of Object.entries(templates)) writeFileSync(join(chart, 'templates', name), text);
    });

    it('installs a chart, and waits until it is ready', async () => {
      assert.match(
        await helm('install', 'shop', chart, '--create-namespace', '--wait', '--timeout=120s'),
        /STATUS: deployed\nREVISION: 1\n/,
      );
      assert.match(await until('the Service answers', answer, { timeoutMs: 60_000 }), /version 1$/m);
      assert.match(await helm('list'), /shop\s+helm\s+1\s.*deployed\s+tiny-0\.1\.0/);
    });

    it('upgrades it', async () => {
      assert.match(
        await helm('upgrade', 'shop', chart, '--set', 'replicas=2,version=2', '--wait', '--timeout=120s'),
        /STATUS: deployed\nREVISION: 2\n/,
      );
      await cluster().untilReadyPods(ns, 'app=shop', 2);
      await until('the next version answers', async () => /version 2$/m.test(await answer()), { timeoutMs: 60_000 });
    });

    it('rolls it back', async () => {
      await helm('rollback', 'shop', '1', '--wait', '--timeout=120s');
      assert.match(await helm('history', 'shop'), /^3\s.*deployed\s+tiny-0\.1\.0\s+Rollback to 1\s*$/m);
      const pods = await cluster().untilReadyPods(ns, 'app=shop', 1);
      assert.equal(pods[0]?.spec?.containers[0]?.image, 'tinkernetes/web:1');
    });

    it('fails when the server refuses an object', async () => {
      await assert.rejects(
        helm('upgrade', 'shop', chart, '--set', 'replicas=-1'),
        /spec\.replicas: Invalid value: -1: must be greater than or equal to 0/,
      );
    });

    it('uninstalls it', async () => {
      assert.match(await helm('uninstall', 'shop', '--wait', '--timeout=120s'), /release "shop" uninstalled/);
      const left = await cluster().kubectl(['-n', ns, 'get', 'deployments,replicasets,services,secrets', '-o', 'name']);
      assert.equal(left, '');
      await until(
        'its pods are gone',
        async () => (await cluster().client.resource('pods').list({ namespace: ns })).items.length === 0,
        { timeoutMs: 120_000 },
      );
    });
  });
}
