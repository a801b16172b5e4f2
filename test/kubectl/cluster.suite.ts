/** kubectl's commands that need controllers and nodes: rollout, cordon, drain, taint, certificate. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { before, it } from 'node:test';
import { createCertificateRequest } from '#api/x509/create-request.ts';
import type { Session } from './session.ts';

export function clusterCommands(session: Session): void {
  const k: Session['run'] = (...args) => session.run(...args);
  const node = `n${session.version.replace('.', '-')}`;
  const { ns } = session;
  const rolledOut = (): Promise<unknown> => session.runMeanwhile('rollout status deployment/web --timeout=120s');

  before(async () => {
    await session.world.addNode(node, { own: node });
  });

  it('rollout: status, history, undo, pause, resume, restart', async () => {
    await k('create deployment web --image=web:1 --replicas=2');
    assert.match(
      await session.runMeanwhile('rollout status deployment/web --timeout=120s'),
      /deployment "web" successfully rolled out\n$/,
    );
    assert.equal(
      await session.runMeanwhile('wait --for=condition=Available deployment/web --timeout=60s'),
      'deployment.apps/web condition met\n',
    );
    await k('annotate deployment/web kubernetes.io/change-cause=first');
    await k('set image deployment/web web=web:2');
    await rolledOut();
    assert.match(
      await k('rollout history deployment/web'),
      /^deployment\.apps\/web \nREVISION +CHANGE-CAUSE\n1 +(first|<none>)\n2 +first\n/,
    );
    assert.match(await k('rollout history deployment/web --revision=2'), /Image:\s+web:2/);
    assert.equal(await k('rollout undo deployment/web'), 'deployment.apps/web rolled back\n');
    await rolledOut();
    assert.equal(await k('get deployment web -o jsonpath={..image}'), 'web:1');
    assert.match(await k('rollout undo deployment/web --to-revision=9'), /error: unable to find specified revision 9 in history/);
    assert.equal(await k('rollout pause deployment/web'), 'deployment.apps/web paused\n');
    assert.match(await k('rollout pause deployment/web'), /deployments\.apps "web" is already paused/);
    assert.match(await k('rollout restart deployment/web'), /can't restart paused deployment/);
    assert.equal(await k('rollout resume deployment/web'), 'deployment.apps/web resumed\n');
    assert.equal(await k('rollout restart deployment/web'), 'deployment.apps/web restarted\n');
    await rolledOut();
  });

  it('rollout of a DaemonSet and a StatefulSet', async () => {
    const template = (image: string) => ({
      metadata: { labels: { app: 'set' } },
      spec: { nodeSelector: { own: node }, containers: [{ name: 'c', image }] },
    });
    for (const [kind, name] of [
      ['DaemonSet', 'ds'],
      ['StatefulSet', 'sts'],
    ] as const) {
      const spec = { selector: { matchLabels: { app: 'set' } }, serviceName: 'x', replicas: 1, template: template('c:1') };
      const { serviceName: _s, replicas: _r, ...forDaemon } = spec;
      const object = { apiVersion: 'apps/v1', kind, metadata: { name }, spec: kind === 'DaemonSet' ? forDaemon : spec };
      const ref = `${kind.toLowerCase()}/${name}`;
      const full = `${kind.toLowerCase()}.apps/${name}`;
      await k('create -f -', JSON.stringify(object));
      assert.match(
        await session.runMeanwhile(`rollout status ${ref} --timeout=120s`),
        /successfully rolled out|rolling update complete|partitioned roll out complete/,
      );
      await k(`set image ${ref} c=c:2`);
      await session.runMeanwhile(`rollout status ${ref} --timeout=120s`);
      assert.match(await k(`rollout history ${ref}`), /REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n/);
      assert.equal(await k(`rollout undo ${ref} --to-revision=1`), `${full} rolled back\n`);
      await session.runMeanwhile(`rollout status ${ref} --timeout=120s`);
      assert.equal(await k(`get ${ref} -o jsonpath={..image}`), 'c:1');
      assert.equal(await k(`rollout restart ${ref}`), `${full} restarted\n`);
      await session.runMeanwhile(`delete ${ref}`);
    }
  });

  it('cordon, uncordon, taint', async () => {
    assert.equal(await k(`cordon ${node}`), `node/${node} cordoned\n`);
    assert.equal(await k(`cordon ${node}`), `node/${node} already cordoned\n`);
    assert.match(await k(`get node ${node}`), /Ready,SchedulingDisabled/);
    assert.equal(await k(`uncordon ${node}`), `node/${node} uncordoned\n`);
    assert.equal(await k(`taint node ${node} a=b:NoSchedule`), `node/${node} tainted\n`);
    assert.match(
      await k(`taint node ${node} a=c:NoSchedule`),
      /already has a taint|already has \(a\) taint\(s\) with same effect/,
    );
    assert.equal(await k(`taint node ${node} a=c:NoSchedule --overwrite`), `node/${node} modified\n`);
    assert.equal(await k(`taint node ${node} a-`), `node/${node} untainted\n`);
    assert.match(await k(`taint node ${node} a-`), /taint "a" not found/);
    assert.match(await k(`taint node ${node} a=b:Never`), /invalid taint effect: Never/);
  });

  it('drain: what it refuses, what it evicts', async () => {
    const pod = (name: string, more: object = {}): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name },
        spec: { nodeName: node, containers: [{ name: 'c', image: 'a' }], ...more },
      });
    await k('create -f -', [pod('bare'), pod('local', { volumes: [{ name: 'v', emptyDir: {} }] })].join('\n---\n'));
    await session.world.pass(2);
    const refused = await k(`drain ${node}`);
    assert.match(refused, new RegExp(`node/${node} cordoned\n`));
    assert.match(
      refused,
      /cannot delete (Pods with local storage \(use --delete-emptydir-data to override\): \S+\/local|cannot delete Pods that declare no controller)/,
    );
    assert.match(refused, /cannot delete Pods that declare no controller \(use --force to override\): \S+\/bare/);
    const drained = await session.runMeanwhile(`drain ${node} --force --delete-emptydir-data --ignore-daemonsets --timeout=60s`);
    assert.match(drained, new RegExp(`evicting pod ${ns}/bare\n`));
    assert.match(drained, /pod\/bare evicted\n/);
    assert.match(drained, new RegExp(`node/${node} drained\n`));
    assert.match(await k('get pod bare'), /NotFound/);
    await k(`uncordon ${node}`);
  });

  it('certificate: approve and deny', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const request = Buffer.from(createCertificateRequest({ commonName: 'somebody' }, privateKey)).toString('base64');
    for (const name of ['yes', 'no'].map((word) => `${ns}-${word}`)) {
      const object = {
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'CertificateSigningRequest',
        metadata: { name },
        spec: { request, signerName: 'example.com/signer', usages: ['client auth'] },
      };
      assert.match(await k('create -f -', JSON.stringify(object)), /created\n$/);
    }
    assert.equal(await k(`certificate approve ${ns}-yes`), `certificatesigningrequest.certificates.k8s.io/${ns}-yes approved\n`);
    assert.equal(await k(`certificate deny ${ns}-no`), `certificatesigningrequest.certificates.k8s.io/${ns}-no denied\n`);
    assert.match(await k(`get csr ${ns}-yes ${ns}-no`), /Approved\n[^]*Denied\n/);
  });
}
