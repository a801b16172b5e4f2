/** kubectl's commands that read, and those that only concern kubectl itself. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import { until } from '#lab/until.ts';
import { configMap, type Session } from './session.ts';

export function readingCommands(session: Session): void {
  const k: Session['run'] = (...args) => session.run(...args);
  const { ns } = session;

  before(async () => {
    const all = ['r1', 'r2', 'r3', 'r4', 'r5'].map((name, at) => configMap(name, { v: String(at) }, { odd: String(at % 2) }));
    await k('create -f -', all.join('\n---\n'));
  });

  it('get: tables, names, JSON, YAML, templates, columns, sorted and in pieces', async () => {
    const own = 'get configmaps --field-selector metadata.name!=kube-root-ca.crt';
    assert.match(await k(own), /^NAME +DATA +AGE\nr1 +1 +\d+s\n/);
    assert.match(await k(`${own} --no-headers -l odd=1`), /^r2 +1 +\S+\nr4 +1 +\S+\n$/);
    assert.equal(await k(`${own} -o name`), 'configmap/r1\nconfigmap/r2\nconfigmap/r3\nconfigmap/r4\nconfigmap/r5\n');
    assert.equal(await k(`${own} --chunk-size=2 -o jsonpath={.items[*].data.v}`), '0 1 2 3 4');
    assert.equal(await k([...own.split(' '), '-o', 'go-template={{range .items}}{{.data.v}},{{end}}']), '0,1,2,3,4,');
    assert.match(await k(`${own} -o custom-columns=NAME:.metadata.name,N:.data.v`), /^NAME +N\nr1 +0\n/);
    assert.match(
      await k(`${own} --sort-by={.metadata.labels.odd} -L odd`),
      /^NAME +DATA +AGE +ODD\nr1 .*0\nr3 .*0\nr5 .*0\nr2 .*1\n/,
    );
    assert.match(await k(`${own} --show-labels -l odd=0`), /r5 .*odd=0\n$/);
    assert.match(await k('get configmap r1 -o yaml'), /^apiVersion: v1\ndata:\n {2}v: "0"\nkind: ConfigMap\n/);
    assert.doesNotMatch(await k('get configmap r1 -o yaml'), /managedFields/);
    assert.match(await k('get configmap r1 -o yaml --show-managed-fields'), /managedFields/);
    assert.match(await k('get configmap/r1 serviceaccount/default'), /configmap\/r1 [^]*serviceaccount\/default /);
    assert.match(await k('get configmap --server-print=false'), /^NAME +AGE\n/);
    assert.match(await k('get namespaces --output-watch-events --watch=false'), /output-watch-events/);
    assert.match(await k('get nothing'), /error: the server doesn't have a resource type "nothing"/);
    assert.match(await k('get pods'), new RegExp(`^No resources found in ${ns} namespace\\.\n$`));
    assert.match(await k('get --raw /healthz'), /^ok$/);
  });

  it('get --watch shows each change', async () => {
    const watching = session.start('get configmaps -l seen=yes --watch -o name');
    try {
      // Only a change after the watch has started proves that it watches.
      await k('create -f -', configMap('w0', {}, { seen: 'yes' }));
      await until('the first', async () => watching.output().includes('configmap/w0'), { timeoutMs: 60_000 });
      await k('create -f -', configMap('w1', {}, { seen: 'yes' }));
      await until('the second', async () => watching.output().includes('configmap/w1'), { timeoutMs: 60_000 });
    } finally {
      await watching.stop();
    }
    const events = session.start('get configmaps -l seen=yes --watch-only --output-watch-events');
    try {
      for (let turn = 0; !events.output().includes('w1'); turn++) {
        assert.ok(turn < 60, events.output());
        await k(`label configmap w1 turn=${turn} --overwrite`);
      }
    } finally {
      await events.stop();
    }
    assert.match(events.output(), /^EVENT +NAME +DATA +AGE\nMODIFIED +w1 /);
  });

  it('wait: for conditions, values, creation and deletion', async () => {
    assert.equal(await k('wait --for=jsonpath={.data.v}=0 configmap/r1 --timeout=60s'), 'configmap/r1 condition met\n');
    assert.equal(await k('wait --for=jsonpath={.data.v} configmap/r1 --timeout=60s'), 'configmap/r1 condition met\n');
    assert.equal(
      await k('wait --for=jsonpath={.data.v}=7 configmap/r1 --timeout=1s'),
      'error: timed out waiting for the condition on configmaps/r1\n',
    );
    assert.match(
      await k('wait --for=create configmap/later --timeout=1s'),
      /error: timed out waiting for the condition|not found/,
    );
    const created = k('wait --for=create configmap/later --timeout=60s');
    await k('create configmap later');
    assert.equal(await created, 'configmap/later condition met\n');
    const gone = k('wait --for=delete configmap/later --timeout=60s');
    await k('delete configmap later');
    assert.match(await gone, /^(configmap\/later condition met\n)?$/);
    assert.match(await k('wait --for=condition=Ready pod/none --timeout=1s'), /NotFound/);
    const active = await k(`wait --for=jsonpath={.status.phase}=Active namespace/${ns}`);
    assert.equal(active, `namespace/${ns} condition met\n`);
  });

  it('describe, of one, of several and by prefix', async () => {
    assert.match(
      await k('describe configmap r1'),
      new RegExp(`^Name: +r1\nNamespace: +${ns}\nLabels: +odd=0\n[^]*\nv:\n----\n0\n`),
    );
    assert.match(await k('describe configmaps -l odd=1'), /Name: +r2\n[^]*Name: +r4\n/);
    assert.match(await k('describe configmap r'), /Name: +r1\n[^]*Name: +r5\n/);
    assert.match(await k(`describe namespace ${ns}`), /Status: +Active\n/);
  });

  it('explain --recursive of every kind', async () => {
    // One kubectl version is enough for all kinds, because the answers come from the server.
    const kinds =
      session.version === '1.36'
        ? createResourceCatalog()
            .all()
            .filter(({ announced }) => announced)
        : [];
    for (const { plural, group, version, kind } of kinds) {
      const apiVersion = group === '' ? version : `${group}/${version}`;
      const said = await k(`explain ${plural} --recursive --api-version=${apiVersion}`);
      assert.match(
        said,
        new RegExp(`KIND: +${kind}\nVERSION: +${version}\n[^]*FIELDS:\n[^]*\n? {2}apiVersion\t<string>\n`),
        said,
      );
      if (session.version === '1.36') assert.doesNotMatch(said, /<no value>/, kind);
    }
    assert.match(await k('explain pod.spec.containers.resources'), /FIELD: resources <ResourceRequirements>/);
    assert.match(await k('explain deployment.spec --output=plaintext-openapiv2'), /RESOURCE: spec <Object>/);
    assert.match(await k('explain pod.spec.nothing'), /error: field "nothing" does not exist/);
  });

  it('auth: can-i, reconcile, whoami', async () => {
    assert.equal(await k('auth can-i delete pods'), 'yes\n');
    assert.match(await k('auth can-i create pods/exec --as=bob'), /^no\n/);
    assert.match(
      await k('auth can-i --list'),
      /^Resources +Non-Resource URLs +Resource Names +Verbs\n\*\.\* +\[\] +\[\] +\[\*\]\n/,
    );
    assert.match(await k('auth whoami'), /^ATTRIBUTE +VALUE\nUsername +admin\n/);
    assert.match(await k('auth whoami -o json'), /"kind": "SelfSubjectReview"/);
    const rbac = (verb: string): string =>
      [
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'Role',
          metadata: { name: 'rec', namespace: ns },
          rules: [{ apiGroups: [''], resources: ['pods'], verbs: [verb] }],
        },
        {
          apiVersion: 'rbac.authorization.k8s.io/v1',
          kind: 'RoleBinding',
          metadata: { name: 'rec', namespace: ns },
          roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'rec' },
          subjects: [{ kind: 'User', name: 'bob', apiGroup: 'rbac.authorization.k8s.io' }],
        },
      ]
        .map((object) => JSON.stringify(object))
        .join('\n---\n');
    assert.match(
      await k('auth reconcile -f -', rbac('get')),
      /role\.rbac\.authorization\.k8s\.io\/rec reconciled\n[^]*\treconciliation required create\n\tmissing rules added:/,
    );
    assert.match(
      await k('auth reconcile --remove-extra-permissions -f -', rbac('list')),
      /reconciliation required update\n\tmissing rules added:\n\t\t\{Verbs:\[list\] [^]*extra rules removed:\n\t\t\{Verbs:\[get\] /,
    );
    assert.equal(await k('auth can-i list pods --as=bob'), 'yes\n');
    assert.match(await k('auth can-i get pods --as=bob'), /^no\n/);
  });

  it('events, of all and of one object', async () => {
    const event = (name: string, type: string): string =>
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: `${name}.1` },
        involvedObject: { apiVersion: 'v1', kind: 'ConfigMap', name, namespace: ns },
        reason: 'Told',
        message: `about ${name}`,
        type,
        lastTimestamp: '2026-01-01T00:00:00Z',
        firstTimestamp: '2026-01-01T00:00:00Z',
        count: 1,
      });
    await k('create -f -', [event('r1', 'Normal'), event('r2', 'Warning')].join('\n---\n'));
    assert.match(await k('events'), /^LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n/);
    assert.match(await k('events --for configmap/r1'), /Normal +Told +ConfigMap\/r1 +about r1\n$/);
    assert.match(await k('events --types=Warning --no-headers'), /^\S+ +Warning +Told +ConfigMap\/r2 +about r2\n$/);
  });

  it('api-resources, api-versions, version, cluster-info, cluster-info dump', async () => {
    assert.match(await k('api-resources'), /^NAME +SHORTNAMES +APIVERSION +NAMESPACED +KIND\n/);
    assert.match(await k('api-resources --namespaced=false --verbs=list -o name'), /\nnodes\n/);
    assert.match(
      await k('api-resources -o wide --api-group=apps'),
      /deployments +deploy +apps\/v1 +true +Deployment +create,delete,deletecollection,get,list,patch,update,watch +all/,
    );
    assert.match(await k('api-versions'), /^apps\/v1\n[^]*^v1\n/m);
    assert.match(await k('version'), /Server Version: v1\.36\./);
    assert.match(await k('cluster-info'), /Kubernetes control plane/);
    const folder = join(session.folder, `${ns}-dump`);
    assert.match(await k(`cluster-info dump --namespaces=${ns} --output-directory=${folder}`), /Cluster info dumped to /);
    for (const name of ['nodes.json', `${ns}/events.json`, `${ns}/pods.json`]) assert.ok(existsSync(join(folder, name)), name);
  });

  it('proxy serves the API on a local port', async () => {
    const proxy = session.start('proxy --port=0');
    try {
      const port = await until('it says its port', async () => /127\.0\.0\.1:(\d+)/.exec(proxy.output())?.[1], {
        timeoutMs: 60_000,
      });
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/namespaces/${ns}/configmaps/r1`);
      assert.equal(((await response.json()) as { data: object }).data instanceof Object, true);
      assert.equal((await fetch(`http://127.0.0.1:${port}/api/v1/namespaces/${ns}/pods/a/exec`)).status, 403);
    } finally {
      await proxy.stop();
    }
  });

  it('config: contexts, clusters, users and values of a file of its own', async () => {
    const env = { KUBECONFIG: join(session.folder, `${ns}-config`) };
    const c = (args: string): Promise<string> => session.plain(`config ${args}`, env);
    assert.match(await c('set-cluster one --server=https://127.0.0.1:1'), /Cluster "one" set/);
    assert.match(await c('set-credentials me --token=t'), /User "me" set/);
    assert.match(await c('set-context here --cluster=one --user=me --namespace=x'), /Context "here" created/);
    assert.match(await c('use-context here'), /Switched to context "here"/);
    assert.equal(await c('current-context'), 'here\n');
    assert.match(await c('get-contexts'), /\* +here +one +me +x/);
    assert.match(await c('get-clusters'), /one/);
    assert.match(await c('get-users'), /me/);
    assert.match(await c('set clusters.one.server https://127.0.0.1:2'), /Property "clusters\.one\.server" set/);
    assert.match(await c('unset users.me.token'), /Property "users\.me\.token" unset/);
    assert.match(await c('rename-context here there'), /Context "here" renamed to "there"/);
    assert.match(await c('view'), /server: https:\/\/127\.0\.0\.1:2/);
    assert.match(await c('delete-context there'), /deleted context there/);
    assert.match(await c('delete-user me'), /deleted user me/);
    assert.match(await c('delete-cluster one'), /deleted cluster one/);
  });

  it('completion, plugin list, options and kuberc', async () => {
    assert.match(await session.plain('completion bash'), /bash completion/);
    assert.match(await session.plain(`__complete -n ${ns} get configmaps r`), /^r1\nr2\n/);
    assert.match(await session.plain('plugin list'), /unable to find any kubectl plugins|compatible plugins/);
    if (!session.since('1.36')) return;
    const folder = join(session.folder, `${ns}-kuberc`);
    mkdirSync(folder);
    const kuberc = join(folder, 'kuberc');
    writeFileSync(
      kuberc,
      'apiVersion: kubectl.config.k8s.io/v1beta1\nkind: Preference\naliases:\n- name: cms\n  command: get\n  appendArgs: [configmaps]\n',
    );
    assert.match(await session.plain(`cms -n ${ns} --kuberc=${kuberc}`), /^NAME +DATA +AGE\n/);
    assert.match(await session.plain(`kuberc view --kuberc=${kuberc}`), /name: cms/);
    assert.match(
      await session.plain([
        'kuberc',
        'set',
        `--kuberc=${kuberc}`,
        '--section',
        'defaults',
        '--command',
        'get',
        '--option',
        'output=name',
      ]),
      /^(Updated .*|)\n?$/,
    );
    assert.match(await session.plain(`get configmap r1 -n ${ns} --kuberc=${kuberc}`), /^configmap\/r1\n$/);
  });
}
