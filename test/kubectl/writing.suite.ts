/** kubectl's commands that write: create, apply, diff, replace, edit, patch, set, label, scale, expose, delete, … */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { createAuthority, issueCertificate } from '#control/pki/certificates.ts';
import { configMap, type Session } from './session.ts';

/** The forms of `kubectl create`, with their output. */
const creations: readonly [args: readonly string[], said: RegExp][] = [
  [['configmap', 'c', '--from-literal=a=b'], /^configmap\/c created\n$/],
  [['secret', 'generic', 's', '--from-literal=a=b', '--type=example.com/t'], /^secret\/s created\n$/],
  [['secret', 'docker-registry', 'd', '--docker-username=u', '--docker-password=p'], /^secret\/d created\n$/],
  [['serviceaccount', 'sa'], /^serviceaccount\/sa created\n$/],
  [['token', 'sa', '--duration=1h', '--audience=x'], /^[\w-]+\.[\w-]+\.[\w-]+\n?$/],
  [['token', 'sa', '--bound-object-kind=Secret', '--bound-object-name=s'], /^[\w-]+\.[\w-]+\.[\w-]+\n?$/],
  [['token', 'none'], /error: failed to create token: +serviceaccounts "none" not found/],
  [['deployment', 'web', '--image=nginx', '--replicas=2', '--port=80'], /^deployment\.apps\/web created\n$/],
  [['cronjob', 'cj', '--image=busybox', '--schedule=0 0 1 1 *', '--', 'date'], /^cronjob\.batch\/cj created\n$/],
  [['job', 'j', '--image=busybox', '--', 'date'], /^job\.batch\/j created\n$/],
  [['job', 'j2', '--from=cronjob/cj'], /^job\.batch\/j2 created\n$/],
  [['service', 'clusterip', 'ci', '--tcp=80:8080'], /^service\/ci created\n$/],
  [['service', 'clusterip', 'hl', '--clusterip=None'], /^service\/hl created\n$/],
  [['service', 'nodeport', 'np', '--tcp=80:8080'], /^service\/np created\n$/],
  [['service', 'loadbalancer', 'lb', '--tcp=80'], /^service\/lb created\n$/],
  [['service', 'externalname', 'en', '--external-name=example.com'], /^service\/en created\n$/],
  [
    ['ingress', 'in', '--class=c', '--rule=a.com/x*=ci:80,tls=s', '--default-backend=ci:80'],
    /^ingress\.networking\.k8s\.io\/in created\n$/,
  ],
  [['poddisruptionbudget', 'pdb', '--selector=app=web', '--min-available=1'], /^poddisruptionbudget\.policy\/pdb created\n$/],
  [['quota', 'q', '--hard=configmaps=50'], /^resourcequota\/q created\n$/],
  [
    ['role', 'r', '--verb=get,list', '--resource=pods,deployments.apps/scale'],
    /^role\.rbac\.authorization\.k8s\.io\/r created\n$/,
  ],
  [
    ['rolebinding', 'rb', '--role=r', '--user=u', '--serviceaccount=x:y'],
    /^rolebinding\.rbac\.authorization\.k8s\.io\/rb created\n$/,
  ],
];

/** The same for cluster-scoped kinds. `@` stands for a name that is unique to the kubectl version. */
const clusterCreations: readonly [args: string, said: string][] = [
  ['clusterrole @ --verb=get --resource=pods --resource-name=a', 'clusterrole.rbac.authorization.k8s.io/@ created\n'],
  ['clusterrole @-url --verb=get --non-resource-url=/healthz/*', 'clusterrole.rbac.authorization.k8s.io/@-url created\n'],
  ['clusterrole @-sum --aggregation-rule=x=y', 'clusterrole.rbac.authorization.k8s.io/@-sum created\n'],
  ['clusterrolebinding @ --clusterrole=@ --group=g', 'clusterrolebinding.rbac.authorization.k8s.io/@ created\n'],
  ['priorityclass @ --value=5 --preemption-policy=Never', 'priorityclass.scheduling.k8s.io/@ created\n'],
  ['namespace @-ns', 'namespace/@-ns created\n'],
];

export function writingCommands(session: Session): void {
  const k: Session['run'] = (...args) => session.run(...args);
  const from = session.since('1.34') ? ` from ${session.ns} namespace` : '';
  const file = (name: string, text: string): string => {
    const path = join(session.folder, `${session.ns}-${name}`);
    writeFileSync(path, text);
    return path;
  };
  /** An editor that replaces a text by another. */
  const editor = (name: string, wanted: string, by: string): Record<string, string> => {
    const path = file(name, `#!/bin/sh\nsed -i 's/${wanted}/${by}/' "$1"\n`);
    chmodSync(path, 0o755);
    return { KUBE_EDITOR: path };
  };

  for (const [args, said] of creations) {
    it(`create ${args.slice(0, 3).join(' ')}`, async () => {
      assert.match(await k(['create', ...args]), said);
    });
  }

  it('create secret tls', async () => {
    const ca = await createAuthority(Date.now());
    const { certificate, key } = await issueCertificate(ca, { commonName: 'a', usage: 'server' }, Date.now());
    const said = await k(['create', 'secret', 'tls', 't', `--cert=${file('c.pem', certificate)}`, `--key=${file('k.pem', key)}`]);
    assert.equal(said, 'secret/t created\n');
  });

  it('create of kinds without a namespace', async () => {
    for (const [args, said] of clusterCreations) {
      const name = `w${session.version.replace('.', '-')}`;
      assert.equal(await k(`create ${args.replaceAll('@', name)}`), said.replaceAll('@', name));
    }
  });

  it('create with dry runs, from standard input, and with --save-config', async () => {
    assert.match(await k('create configmap dry --dry-run=client -o yaml'), /^apiVersion: v1\nkind: ConfigMap\n/);
    assert.equal(await k('create configmap dry --dry-run=server'), 'configmap/dry created (server dry run)\n');
    assert.match(await k('get configmap dry'), /^Error from server \(NotFound\): configmaps "dry" not found/);
    assert.equal(await k('create -f - --save-config', configMap('saved', { a: '1' })), 'configmap/saved created\n');
    assert.match(await k('apply view-last-applied configmap saved -o json'), /"a": "1"/);
  });

  it('diff: exit and text, by client and by server', async () => {
    const one = file('one.json', configMap('diffed', { a: '1' }));
    assert.match(await k(`diff -f ${one}`), /\n\+data:\n\+ {2}a: "1"\n/);
    await k(`apply -f ${one}`);
    assert.equal(await k(`diff -f ${one}`), '');
    const two = file('two.json', configMap('diffed', { a: '2' }));
    assert.match(await k(`diff -f ${two}`), /\n- {2}a: "1"\n\+ {2}a: "2"\n/);
    assert.match(await k(`diff --server-side --force-conflicts -f ${two}`), /\n- {2}a: "1"\n\+ {2}a: "2"\n/);
    assert.equal(await k('get configmap diffed -o jsonpath={.data.a}'), '1', 'a diff changes nothing');
  });

  it('apply --prune, with a selector and with an allow list', async () => {
    const label = { set: session.ns };
    const both = [configMap('p1', { a: '1' }, label), configMap('p2', { a: '1' }, label)].join('\n---\n');
    assert.equal(await k('apply -f -', both), 'configmap/p1 created\nconfigmap/p2 created\n');
    const prune = `apply -f - --prune -l set=${session.ns} --prune-allowlist=core/v1/ConfigMap`;
    assert.equal(await k(prune, configMap('p1', { a: '2' }, label)), 'configmap/p1 configured\nconfigmap/p2 pruned\n');
    assert.equal(await k(`get configmap -l set=${session.ns} -o name`), 'configmap/p1\n');
  });

  it('apply --prune --applyset, by client and by server, with the set in a Secret', async () => {
    const env = { KUBECTL_APPLYSET: 'true' };
    const set = 'apply -f - --prune --applyset=set --server-side --force-conflicts';
    const both = [configMap('a1', { a: '1' }), configMap('a2', { a: '1' })].join('\n---\n');
    assert.match(await k(set, both, env), /^configmap\/a1 serverside-applied\nconfigmap\/a2 serverside-applied\n/);
    assert.match(await k(set, configMap('a1', { a: '2' }), env), /^configmap\/a1 serverside-applied\nconfigmap\/a2 pruned\n/);
    const parent = JSON.parse(await k('get secret set -o json')) as { metadata: { annotations: object; labels: object } };
    assert.deepEqual(
      Object.keys(parent.metadata.annotations).sort(),
      ['additional-namespaces', 'contains-group-kinds', 'tooling'].map((name) => `applyset.kubernetes.io/${name}`),
    );
    const [id] = Object.values(parent.metadata.labels) as string[];
    assert.equal(await k(`get configmap -l applyset.kubernetes.io/part-of=${id} -o name`), 'configmap/a1\n');
  });

  it('apply on the server after apply by the client: the fields change hands, removed ones go', async () => {
    await k('apply -f -', configMap('moved', { a: '1', b: '1' }));
    assert.match(await k('apply --server-side -f -', configMap('moved', { a: '1' })), /serverside-applied/);
    assert.equal(await k('get configmap moved -o jsonpath={.data}'), '{"a":"1"}');
    assert.match(
      await k('apply --server-side --field-manager=other -f -', configMap('moved', { a: '2' })),
      /error: Apply failed with 1 conflict: conflict with "kubectl": \.data\.a\nPlease review the fields above/,
    );
    const forced = 'apply --server-side --field-manager=other --force-conflicts -f -';
    assert.match(await k(forced, configMap('moved', { a: '2' })), /serverside-applied/);
  });

  it('apply edit-last-applied, set-last-applied, view-last-applied', async () => {
    const path = file('last.json', configMap('last', { a: '1' }));
    await k(`create -f ${path}`);
    assert.match(
      await k(`apply edit-last-applied -f ${path}`, '', editor('ed0', 'a', 'a')),
      /no last-applied-configuration annotation/,
    );
    assert.match(await k(`apply set-last-applied -f ${path} --create-annotation`), /^configmap\/last (configured|updated)\n$/);
    const edited = await k('apply edit-last-applied configmap/last', '', editor('ed1', 'a: "1"', 'a: "7"'));
    assert.match(edited, /^configmap\/last edited\n$/);
    assert.match(await k('apply view-last-applied configmap/last'), /\n {2}a: "7"\n/);
  });

  it('replace, and replace --force', async () => {
    const one = file('r1.json', configMap('replaced', { a: '1' }));
    assert.match(
      await k(`replace -f ${one}`),
      /^Error from server \(NotFound\): error when replacing ".*": configmaps "replaced" not found/,
    );
    await k(`create -f ${one}`);
    const uid = await k('get configmap replaced -o jsonpath={.metadata.uid}');
    assert.equal(await k(`replace -f ${one}`), 'configmap/replaced replaced\n');
    assert.equal(await k('get configmap replaced -o jsonpath={.metadata.uid}'), uid);
    assert.equal(await k(`replace --force -f ${one}`), `configmap "replaced" deleted${from}\nconfigmap/replaced replaced\n`);
    assert.notEqual(await k('get configmap replaced -o jsonpath={.metadata.uid}'), uid);
  });

  it('edit, also of a subresource, without a change, and with a mistake', async () => {
    await k('create configmap edited --from-literal=a=1');
    assert.equal(await k('edit configmap edited', '', editor('e1', 'a: "1"', 'a: "2"')), 'configmap/edited edited\n');
    assert.equal(await k('edit configmap edited', '', editor('e1', 'a: "1"', 'a: "2"')), 'Edit cancelled, no changes made.\n');
    const wrong = await k('edit configmap edited', '', editor('e2', 'a: "2"', 'a: [2]'));
    assert.match(wrong, /error: configmaps "edited" is invalid\n/);
    await k('create deployment ed --image=a --replicas=0');
    await session.world.pass(1);
    const status = editor('e3', 'observedGeneration: 1', 'collisionCount: 3');
    assert.equal(await k('edit deployment ed --subresource=status', '', status), 'deployment.apps/ed edited\n');
    assert.equal(await k('get deployment ed -o jsonpath={.status.collisionCount}'), '3');
  });

  it('edit --subresource=resize of a pod', async () => {
    const resources = { requests: { cpu: '100m' } };
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'sized' },
      spec: { containers: [{ name: 'c', image: 'a', resources }] },
    };
    assert.equal(await k('create -f -', JSON.stringify(pod)), 'pod/sized created\n');
    const said = await k('edit pod sized --subresource=resize', '', editor('e4', 'cpu: 100m', 'cpu: 200m'));
    assert.equal(said, 'pod/sized edited\n');
    assert.equal(await k('get pod sized -o jsonpath={.spec.containers[0].resources.requests.cpu}'), '200m');
  });

  it('patch, of three types and of subresources', async () => {
    await k('create deployment patched --image=a --replicas=1');
    const patch = (type: string, body: unknown, ...more: string[]): Promise<string> =>
      k(['patch', 'deployment', 'patched', `--type=${type}`, '-p', JSON.stringify(body), ...more]);
    assert.equal(await patch('merge', { metadata: { labels: { a: 'b' } } }), 'deployment.apps/patched patched\n');
    assert.equal(await patch('merge', { metadata: { labels: { a: 'b' } } }), 'deployment.apps/patched patched (no change)\n');
    assert.equal(await patch('json', [{ op: 'replace', path: '/spec/replicas', value: 3 }]), 'deployment.apps/patched patched\n');
    assert.equal(await patch('merge', { spec: { replicas: 2 } }, '--subresource=scale'), 'scale.autoscaling/patched patched\n');
    assert.equal(await k('get deployment patched --subresource=scale -o jsonpath={.spec.replicas}'), '2');
    assert.match(
      await patch('json', [{ op: 'test', path: '/spec/replicas', value: 9 }]),
      /The request is invalid: the server rejected our request due to an error in our request|testing value \/spec\/replicas failed/,
    );
    const container = { spec: { template: { spec: { containers: [{ name: 'b', image: 'b' }] } } } };
    assert.equal(await patch('strategic', container), 'deployment.apps/patched patched\n');
    assert.equal(await k('get deployment patched -o jsonpath={..containers[*].name}'), 'b a');
  });

  it('label and annotate', async () => {
    await k('create configmap marked');
    assert.equal(await k('label configmap marked a=b'), 'configmap/marked labeled\n');
    assert.match(await k('label configmap marked a=c'), /error: 'a' already has a value \(b\), and --overwrite is false/);
    assert.equal(await k('label configmap marked a=c --overwrite'), 'configmap/marked labeled\n');
    assert.match(await k('label configmap marked --list'), /a=c/);
    assert.equal(await k('label configmap marked a-'), 'configmap/marked unlabeled\n');
    assert.match(await k('label configmap marked a=-x'), /a valid label must be an empty string or consist of/);
    assert.equal(
      await k('annotate configmap marked x=y --resource-version=1').then((said) => /Conflict|has been modified/.test(said)),
      true,
    );
    assert.equal(await k('annotate configmap marked x=y'), 'configmap/marked annotated\n');
    assert.equal(await k('annotate configmap marked x-'), 'configmap/marked annotated\n');
  });

  it('set: image, env, resources, selector, serviceaccount, subject', async () => {
    await k('create deployment set --image=nginx');
    assert.equal(await k('set image deployment/set nginx=nginx:2'), 'deployment.apps/set image updated\n');
    assert.equal(await k('set env deployment/set A=B'), 'deployment.apps/set env updated\n');
    assert.equal(await k('set env deployment/set --list'), '# Deployment set, container nginx\nA=B\n');
    assert.match(await k('set env deployment/set --from=configmap/c --prefix=P_'), /deployment\.apps\/set env updated\n/);
    assert.equal(
      await k('set resources deployment/set --limits=cpu=200m,memory=512Mi'),
      'deployment.apps/set resource requirements updated\n',
    );
    assert.equal(await k('set serviceaccount deployment/set sa'), 'deployment.apps/set serviceaccount updated\n');
    assert.equal(await k('set selector service/ci app=other'), 'service/ci selector updated\n');
    assert.equal(
      await k('set subject rolebinding rb --user=v --group=g'),
      'rolebinding.rbac.authorization.k8s.io/rb subjects updated\n',
    );
    assert.equal(await k('get rolebinding rb -o jsonpath={.subjects[*].name}'), 'u y v g');
  });

  it('scale, expose, autoscale, run', async () => {
    await k('create deployment sc --image=a --replicas=2 --port=80');
    assert.equal(await k('scale deployment/sc --current-replicas=2 --replicas=3'), 'deployment.apps/sc scaled\n');
    assert.match(await k('scale deployment/sc --current-replicas=9 --replicas=1'), /error: Expected replicas to be 9, was 3/);
    assert.match(
      await k('scale deployment/sc --replicas=-1'),
      /replicas.*(non-negative|required|negative)|must be specified|greater/i,
    );
    assert.equal(await k('expose deployment sc --name=sc --port=80 --type=NodePort'), 'service/sc exposed\n');
    assert.equal(await k('autoscale deployment sc --min=1 --max=3'), 'horizontalpodautoscaler.autoscaling/sc autoscaled\n');
    assert.equal(
      await k('run r --image=busybox --labels=a=b --env=A=B --restart=Never --port=80 --expose').then(lines),
      'service/r created pod/r created',
    );
    assert.equal(await k('run dry --image=busybox --dry-run=server -o name'), 'pod/dry\n');
  });

  it('kustomize, and apply -k and delete -k', async () => {
    const folder = join(session.folder, `${session.ns}-kustomize`);
    mkdirSync(folder);
    writeFileSync(join(folder, 'cm.json'), configMap('built', { a: '1' }));
    writeFileSync(join(folder, 'kustomization.yaml'), `namePrefix: my-\nnamespace: ${session.ns}\nresources: [cm.json]\n`);
    assert.match(await k(`kustomize ${folder}`), /kind: ConfigMap\nmetadata:\n[^]*name: my-built/);
    assert.equal(await k(`apply -k ${folder}`), 'configmap/my-built created\n');
    assert.equal(await k(`delete -k ${folder}`), `configmap "my-built" deleted${from}\n`);
  });

  it('delete: by name, by label, by file, all, with finalizers and without waiting', async () => {
    for (const name of ['d1', 'd2', 'd3', 'd4'])
      await k('create -f -', configMap(name, {}, { del: name === 'd4' ? 'late' : 'now' }));
    assert.equal(await k('delete configmap d1'), `configmap "d1" deleted${from}\n`);
    assert.equal(await k('delete configmap -l del=now'), `configmap "d2" deleted${from}\nconfigmap "d3" deleted${from}\n`);
    assert.match(await k('delete configmap d1'), /^Error from server \(NotFound\): configmaps "d1" not found/);
    assert.equal(await k('delete configmap d1 --ignore-not-found'), '');
    assert.equal(
      await k('delete configmap d4 --dry-run=server'),
      `configmap "d4" deleted (server dry run)${from}\n`.replace(/(.*)( \(server dry run\))( from .*)/, '$1$3$2'),
    );
    await k(['patch', 'configmap', 'd4', '--type=merge', '-p', '{"metadata":{"finalizers":["example.com/f"]}}']);
    assert.equal(await k('delete configmap d4 --wait=false'), `configmap "d4" deleted${from}\n`);
    assert.match(await k('get configmap d4 -o jsonpath={.metadata.deletionTimestamp}'), /^\d{4}-/);
    await k(['patch', 'configmap', 'd4', '--type=merge', '-p', '{"metadata":{"finalizers":null}}']);
    assert.match(await k('get configmap d4'), /NotFound/);
    assert.match(await k('delete configmaps --all --cascade=orphan'), /configmap "c" deleted/);
  });
}

const lines = (text: string): string => text.trim().split('\n').join(' ');
