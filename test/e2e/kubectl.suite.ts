/** The first commands of kubectl users, with several versions of the real kubectl. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { ExecError } from '#agent/host/exec.ts';
import { kubectlVersions } from '#lab/kubectl.ts';
import type { Cluster } from './cluster.ts';

export function kubectlSuite(cluster: () => Cluster): void {
  for (const version of kubectlVersions) {
    describe(`kubectl ${version}`, () => {
      const ns = `kubectl-${version.replace('.', '-')}`;
      const kubectl = (args: readonly string[], stdin?: string): Promise<string> =>
        cluster().kubectl(['-n', ns, ...args], { version, ...(stdin === undefined ? {} : { stdin }) });

      before(async () => {
        await cluster().namespace(ns);
      });

      it('reaches the server, and prints Ready nodes with the server’s columns', async () => {
        const versions = JSON.parse(await kubectl(['version', '-o', 'json'])) as {
          serverVersion: { gitVersion: string; minor: string };
        };
        assert.match(versions.serverVersion.gitVersion, /^v1\.36\.\d+\+tinkernetes/);
        const wide = await kubectl(['get', 'nodes', '-o', 'wide']);
        assert.match(
          wide,
          /^NAME +STATUS +ROLES +AGE +VERSION +INTERNAL-IP +EXTERNAL-IP +OS-IMAGE +KERNEL-VERSION +CONTAINER-RUNTIME\n/,
        );
        assert.match(
          wide,
          /worker-1 +Ready +<none> +\S+ +v1\.36\.0\+tinkernetes\S* +10\.204\.\d\.11 +<none> +\S.* +containerd:\/\/1\./,
        );
      });

      it('creates with protobuf bodies', async () => {
        assert.equal(
          await kubectl(['create', 'configmap', 'settings', '--from-literal=a=1', '--from-literal=b=two']),
          'configmap/settings created\n',
        );
        assert.equal(await kubectl(['get', 'configmap', 'settings', '-o', 'jsonpath={.data.b}']), 'two');
        assert.equal(await kubectl(['create', 'secret', 'generic', 'login', '--from-literal=user=me']), 'secret/login created\n');
        assert.match(await kubectl(['create', 'token', 'default']), /^[\w-]+\.[\w-]+\.[\w-]+\n?$/);
        assert.equal(await kubectl(['auth', 'can-i', 'create', 'pods']), 'yes\n');
        assert.match(await kubectl(['auth', 'whoami']), /kubernetes-admin/);
      });

      it('applies a manifest, applies a changed one, and removes fields that are no longer in it', async () => {
        const manifest = (data: Record<string, string>): string =>
          JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied' }, data });
        assert.equal(await kubectl(['apply', '-f', '-'], manifest({ a: '1', b: '2' })), 'configmap/applied created\n');
        assert.equal(await kubectl(['apply', '-f', '-'], manifest({ a: '1', b: '2' })), 'configmap/applied unchanged\n');
        assert.equal(await kubectl(['apply', '-f', '-'], manifest({ a: '3' })), 'configmap/applied configured\n');
        assert.equal(await kubectl(['get', 'configmap', 'applied', '-o', 'jsonpath={.data}']), '{"a":"3"}');
      });

      it('applies lists of one kind, and names unknown kinds', async () => {
        const items = ['one', 'two'].map((name) => ({
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name },
          data: { a: 'b' },
        }));
        const made = await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMapList', items }));
        assert.equal(made, 'configmap/one created\nconfigmap/two created\n');
        const typo = JSON.stringify({ apiVersion: 'apps/v1', kind: 'Deploymnt', metadata: { name: 'x' } });
        await assert.rejects(
          kubectl(['create', '-f', '-'], typo),
          (error) =>
            error instanceof ExecError && /no matches for kind "Deploymnt" in version "apps\/v1"/.test(error.result.stderr),
        );
      });

      it('applies on the server, and reports the manager of a field in conflict', async () => {
        const manifest = (value: string): string =>
          JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ssa' }, data: { a: value } });
        assert.equal(await kubectl(['apply', '--server-side', '-f', '-'], manifest('1')), 'configmap/ssa serverside-applied\n');
        await kubectl(['patch', 'configmap', 'ssa', '--type=merge', '-p', '{"data":{"a":"2"}}']);
        const refusal = await cluster().kubectlFails(['-n', ns, 'apply', '--server-side', '-f', '-'], { stdin: manifest('3') });
        assert.match(refusal, /Apply failed with 1 conflict: conflict with "kubectl-patch" using v1: \.data\.a/);
        await kubectl(['apply', '--server-side', '--force-conflicts', '-f', '-'], manifest('3'));
        assert.equal(await kubectl(['get', 'configmap', 'ssa', '-o', 'jsonpath={.data.a}']), '3');
      });

      it('labels, annotates, patches, replaces and deletes', async () => {
        await kubectl(['label', 'configmap', 'settings', 'tier=front']);
        assert.match(await kubectl(['get', 'configmaps', '-l', 'tier in (front)', '-o', 'name']), /^configmap\/settings\n$/);
        await kubectl(['annotate', 'configmap', 'settings', 'note=hello']);
        await kubectl(['patch', 'configmap', 'settings', '--type=json', '-p', '[{"op":"replace","path":"/data/a","value":"9"}]']);
        const current = await kubectl(['get', 'configmap', 'settings', '-o', 'json']);
        const file = join(cluster().scratch, `replace-${version}.json`);
        writeFileSync(file, current.replace('"9"', '"10"'));
        assert.equal(await kubectl(['replace', '-f', file]), 'configmap/settings replaced\n');
        const conflict = await cluster().kubectlFails(['-n', ns, 'replace', '-f', file]);
        assert.match(conflict, /the object has been modified; please apply your changes to the latest version and try again/);
        assert.equal(
          await kubectl(['delete', 'configmap', 'settings']),
          `configmap "settings" deleted${version === '1.33' ? '' : ` from ${ns} namespace`}\n`,
        );
        assert.match(
          await cluster().kubectlFails(['-n', ns, 'get', 'configmap', 'settings']),
          /^Error from server \(NotFound\): configmaps "settings" not found/,
        );
      });

      it('explains kinds and lists what the server serves', async () => {
        assert.match(await kubectl(['explain', 'deployment.spec.strategy']), /KIND: +Deployment\nVERSION: +v1/);
        const resources = await kubectl(['api-resources']);
        for (const line of [
          /^deployments +deploy +apps\/v1 +true +Deployment$/m,
          /^pods +po +v1 +true +Pod$/m,
          /^nodes +no +v1 +false +Node$/m,
        ])
          assert.match(resources, line);
      });
    });
  }
}
