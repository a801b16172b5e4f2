import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { writeKubeconfig } from '#client/kubeconfig.ts';
import { listen } from '#control/apiserver/serving/listener.ts';
import { silentLog } from '#control/apiserver/serving/server-log.ts';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import type { World } from './cluster.testing.ts';
import { startWorld } from './cluster.testing.ts';

const binary = fileURLToPath(new URL('../../bin/kubectl', import.meta.url));

describe('kubectl rollout', () => {
  let world: World;
  let folder = '';
  let running: Promise<void>;
  const stop = new AbortController();

  before(async () => {
    world = await startWorld();
    await world.addNode('n1');
    const ca = await createAuthority(Date.now());
    const server = await issueCertificate(
      ca,
      { commonName: 'kube-apiserver', usage: 'server', ipAddresses: ['127.0.0.1'] },
      Date.now(),
    );
    const user = await issueCertificate(
      ca,
      { commonName: 'admin', organizations: ['system:masters'], usage: 'client' },
      Date.now(),
    );
    const listener = await listen(
      world.server,
      { host: '127.0.0.1', port: 0, certificate: server.certificate, key: server.key, clientCa: ca.certificate, graceMs: 100 },
      silentLog,
    );
    running = listener.run(stop.signal);
    folder = await mkdtemp(join(tmpdir(), 'rollout-'));
    writeKubeconfig(join(folder, 'config'), {
      server: `https://127.0.0.1:${listener.port}`,
      ca: ca.certificate,
      cert: user.certificate,
      key: user.key,
    });
  });

  after(async () => {
    await world.stop();
    stop.abort();
    await running;
    await rm(folder, { recursive: true, force: true });
  });

  /** Runs kubectl. Resolves to stdout and stderr together. */
  function kubectl(args: string): Promise<string> {
    return new Promise((resolve) => {
      const env = { ...process.env, HOME: folder, KUBECONFIG: join(folder, 'config') };
      execFile(binary, args.split(' '), { env, timeout: 240_000 }, (_error, out, err) => resolve(out + err));
    });
  }
  const rolledOut = () =>
    world.until('rolled out', async () => {
      const { metadata, status } = await world.client.resource('deployments.apps').get({ namespace: 'default', name: 'web' });
      return (
        status?.observedGeneration === metadata.generation &&
        status?.updatedReplicas === 2 &&
        status.replicas === 2 &&
        status.availableReplicas === 2
      );
    });

  it('shows status and history, undoes, pauses, resumes, restarts', async () => {
    await kubectl('create deployment web --image=web:1 --replicas=2');
    await rolledOut();
    assert.equal(await kubectl('rollout status deployment/web --watch=false'), 'deployment "web" successfully rolled out\n');

    world.play = (pod) => (pod.spec.containers[0]?.image === 'web:2' ? 'running' : 'ready');
    await kubectl('set image deployment/web web=web:2');
    await world.pass(3);
    assert.match(
      await kubectl('rollout status deployment/web --watch=false'),
      /^Waiting for deployment "web" rollout to finish: 1 out of 2 new replicas have been updated/,
    );

    assert.match(await kubectl('rollout undo deployment/web'), /^deployment\.apps\/web rolled back/);
    await rolledOut();
    assert.match(await kubectl('rollout history deployment/web'), /REVISION +CHANGE-CAUSE\n2 +<none>\n3 +<none>\n/);
    assert.match(await kubectl('rollout history deployment/web --revision=2'), /Image:\s+web:2/);
    assert.match(await kubectl('rollout undo deployment/web --to-revision=7'), /unable to find specified revision 7 in history/);

    assert.match(await kubectl('rollout pause deployment/web'), /web paused/);
    assert.match(await kubectl('rollout undo deployment/web'), /you cannot rollback a paused deployment/);
    assert.match(await kubectl('rollout resume deployment/web'), /web resumed/);
    world.play = () => 'ready';
    assert.match(await kubectl('rollout restart deployment/web'), /web restarted/);
    await rolledOut();
    assert.equal((await world.client.resource('replicasets.apps').list({ namespace: 'default' })).items.length, 3);
    assert.match(
      await kubectl('describe deployment web'),
      /NewReplicaSetAvailable[\s\S]*ScalingReplicaSet[\s\S]*deployment-controller[\s\S]*Scaled up replica set web-/,
    );
  });
});
