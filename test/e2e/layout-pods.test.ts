/** The layout "pods", as kubeadm lays a cluster out: the control plane is static pods of `controlplane`. Its commands are those of a course. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '#lab/until.ts';
import { type MachineLab, startMachineLab } from './machines.ts';

const manifests = '/etc/kubernetes/manifests';
const components = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'];

describe('layout pods', { timeout: 1_200_000 }, () => {
  let machines: MachineLab;
  const onControlPlane = (line: string): Promise<string> => machines.type(machines.controlPlane, line);
  const soon = { timeoutMs: 180_000, everyMs: 300 };
  const jsonPath = (pod: string, path: string): Promise<string> =>
    machines.kubectl('get', 'pod', pod, '-n', 'kube-system', '-o', `jsonpath=${path}`);
  const untilProcess = (pattern: string, isThere: boolean): Promise<true> =>
    until(
      `${pattern} ${isThere ? 'runs' : 'has ended'}`,
      async () => ((await onControlPlane(`pgrep -f -- '${pattern}' || true`)).trim() !== '') === isThere || undefined,
      soon,
    );

  before(async () => {
    machines = await startMachineLab('pods');
  });
  after(async () => {
    await machines?.stop();
  });

  it('shows every component in kubectl get pods -n kube-system', async () => {
    const pods = await until(
      'all are ready',
      async () => {
        const text = await onControlPlane('kubectl get pods -n kube-system');
        return components.every((name) => new RegExp(`^${name}-controlplane +1/1 +Running `, 'm').test(text)) ? text : undefined;
      },
      soon,
    );
    assert.match(pods, /^NAME +READY +STATUS +RESTARTS +AGE$/m);
    const labels = await onControlPlane('kubectl get pods -n kube-system -l tier=control-plane,component=etcd -o name');
    assert.equal(labels, 'pod/etcd-controlplane\n');
  });

  it('lists the keys of etcd by the etcdctl of its pod', async () => {
    const keys = await onControlPlane('kubectl exec etcd-controlplane -n kube-system -- etcdctl get / --prefix --keys-only');
    assert.match(keys, /^\/registry\/pods\/kube-system\/etcd-controlplane$/m);
    assert.match(keys, /^\/registry\/minions\/worker-1$/m);
  });

  for (const name of components) {
    it(`has the manifest of ${name}, and its process with the same flags`, async () => {
      const text = await onControlPlane(`cat ${manifests}/${name}.yaml`);
      assert.match(text, new RegExp(`^ +component: ${name}$`, 'm'));
      assert.match(text, /^ {2}hostNetwork: true$/m);
      assert.match(text, /^ {2}priorityClassName: system-node-critical$/m);
      for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe'])
        assert.match(text, new RegExp(`^ +${probe}:$`, 'm'));
      const flags = [...text.matchAll(/^ +- (--\S+)$/gm)].map(([, flag = '']) => flag);
      assert.ok(flags.length >= 5);
      const processes = await onControlPlane(`ps -aux | grep ${name}`);
      const line = processes.split('\n').find((one) => one.includes(flags.join(' ')));
      assert.notEqual(line, undefined, `${processes}\nhas no process with ${flags.join(' ')}`);
    });
  }

  it('has kube-proxy, network and DNS as DaemonSets on every node', async () => {
    const names = ['kube-proxy', 'tinkernetes-network', 'tinkernetes-dns'];
    const text = await until(
      'all are ready',
      async () => {
        const sets = await onControlPlane('kubectl get daemonset -n kube-system');
        return names.every((name) => new RegExp(`^${name} +2 +2 +2 `, 'm').test(sets)) ? sets : undefined;
      },
      soon,
    );
    assert.match(text, /^NAME +DESIRED +CURRENT +READY /m);
    for (const host of [machines.controlPlane, machines.worker])
      assert.match(
        await machines.type(host, 'ps -aux | grep kube-proxy'),
        /kube-proxy --config=\/var\/lib\/kube-proxy\/config\.conf --hostname-override=/,
      );
    assert.match(await machines.type(machines.worker, 'iptables-save'), /KUBE-SERVICES/);
  });

  it("has the kubelet's configuration and kubeconfig at their usual places", async () => {
    const text = await onControlPlane('cat /var/lib/kubelet/config.yaml ; cat /etc/kubernetes/kubelet.conf');
    assert.match(text, /^kind: KubeletConfiguration$/m);
    assert.match(text, /^staticPodPath: \/etc\/kubernetes\/manifests$/m);
    assert.match(text, /^ +name: system:node:controlplane$|^ +user: system:node:controlplane$/m);
    assert.match(
      await onControlPlane('ps -aux | grep kubelet'),
      /kubelet --kubeconfig=\/etc\/kubernetes\/kubelet\.conf --config=\/var\/lib\/kubelet\/config\.yaml/,
    );
    assert.match(await onControlPlane('curl -s http://127.0.0.1:10248/healthz'), /^ok/);
  });

  it('answers /readyz, componentstatuses and nodes with role and taint', async () => {
    assert.match(await onControlPlane('kubectl get --raw /readyz?verbose'), /^\[\+\]etcd ok$[^]*^readyz check passed$/m);
    const statuses = await onControlPlane('kubectl get componentstatuses 2> /dev/null');
    for (const name of ['controller-manager', 'scheduler', 'etcd-0'])
      assert.match(statuses, new RegExp(`^${name} +Healthy `, 'm'));
    assert.match(await onControlPlane('kubectl get nodes'), /^controlplane +Ready +control-plane /m);
    assert.match(
      await onControlPlane('kubectl describe node controlplane'),
      /^Taints: +node-role\.kubernetes\.io\/control-plane:NoSchedule$/m,
    );
  });

  it('runs pods on the worker only', async () => {
    await machines.kubectl('create', 'deployment', 'web', '--image=tinkernetes/web', '--replicas=3');
    await machines.kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
    const nodes = await machines.kubectl('get', 'pods', '-l', 'app=web', '-o', 'jsonpath={.items[*].spec.nodeName}');
    assert.equal(nodes, 'worker-1 worker-1 worker-1');
    await machines.kubectl('expose', 'deployment', 'web', '--port=80', '--target-port=8080');
    await machines.kubectl('run', 'ask', '--image=busybox', '--', 'sleep', '3600');
    await machines.kubectl('wait', '--for=condition=Ready', 'pod/ask', '--timeout=60s');
    const answer = await until(
      'the Service answers by its name',
      () => machines.kubectl('exec', 'ask', '--', 'wget', '-qO-', 'http://web.default.svc.cluster.local/'),
      soon,
    );
    assert.match(answer, /^Hello from web-/);
  });

  it('starts a component again with a flag that was changed in its manifest', async () => {
    const pod = 'kube-controller-manager-controlplane';
    const hash = await jsonPath(pod, '{.metadata.annotations.kubernetes\\.io/config\\.hash}');
    await onControlPlane(
      `sed -i 's/- --cluster-name=kubernetes/- --cluster-name=kubernetes\\n        - --node-monitor-grace-period=23s/' ${manifests}/kube-controller-manager.yaml`,
    );
    await untilProcess('kube-controller-manager .*--node-monitor-grace-period=23s', true);
    await until(
      'its mirror pod shows it',
      async () => (await jsonPath(pod, '{.spec.containers[0].command}')).includes('=23s'),
      soon,
    );
    assert.notEqual(await jsonPath(pod, '{.metadata.annotations.kubernetes\\.io/config\\.hash}'), hash);
    await machines.kubectl('wait', '-n', 'kube-system', '--for=condition=Ready', `pod/${pod}`, '--timeout=120s');
  });

  it('tells of a broken manifest in the log of the kubelet, ends the pod with the next look, and heals', async () => {
    const file = `${manifests}/kube-scheduler.yaml`;
    await onControlPlane(`cp ${file} /tmp/kept.yaml; sed -i 's/^metadata:/metadata: {/' ${file}`);
    await until(
      'the log says so',
      async () => (await onControlPlane('cat /var/log/services/kubelet.log')).includes("couldn't parse as pod("),
      soon,
    );
    await untilProcess('^kube-scheduler --', false);
    await until(
      'its mirror pod is gone',
      async () => !(await onControlPlane('kubectl get pods -n kube-system')).includes('kube-scheduler-'),
      soon,
    );
    await onControlPlane(`cp /tmp/kept.yaml ${file}`);
    await untilProcess('^kube-scheduler --', true);
    await machines.kubectl('run', 'after', '--image=busybox', '--', 'sleep', '3600');
    await machines.kubectl('wait', '--for=condition=Ready', 'pod/after', '--timeout=180s');
  });

  it('stops a component whose manifest is removed, and starts it when it is back', async () => {
    await onControlPlane(`mv ${manifests}/kube-apiserver.yaml /tmp/`);
    await untilProcess('^kube-apiserver --', false);
    await onControlPlane(`mv /tmp/kube-apiserver.yaml ${manifests}/`);
    await until('the API server is ready', async () => (await machines.kubectl('get', '--raw', '/readyz')) === 'ok', soon);
  });

  it('comes back by itself when everything is killed at once; no container of a workload starts again, no write is lost', async () => {
    const containers =
      'jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{"\\n"}{end}';
    const workload = (): Promise<string> => machines.kubectl('get', 'pods', '-l', 'app=web', '-o', containers);
    const before = await workload();
    await machines.kubectl('create', 'configmap', 'before', '--from-literal=a=b');
    const victims =
      '^(kubelet|kube-apiserver|kube-controller-manager|kube-scheduler|kube-proxy|etcd|tinker) --|^/usr/bin/containerd$';
    await Promise.all(
      [machines.controlPlane, machines.worker].map((host) => machines.type(host, `kill -9 $(pgrep -f '${victims}')`)),
    );
    await until('the API server is ready', async () => (await machines.kubectl('get', '--raw', '/readyz')) === 'ok', soon);
    assert.equal(await machines.kubectl('get', 'configmap', 'before', '-o', 'jsonpath={.data.a}'), 'b');
    await machines.kubectl('wait', '-n', 'kube-system', '--for=condition=Ready', 'pod', '--all', '--timeout=300s');
    await machines.kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=120s');
    assert.equal(await workload(), before);
  });

  it('comes back after its host was switched off and on, without a write lost', async () => {
    await machines.kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
    await machines.restart(machines.controlPlane);
    await until('the API server is ready', async () => (await machines.kubectl('get', '--raw', '/readyz')) === 'ok', soon);
    assert.equal(await machines.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), 'b');
    await machines.kubectl(
      'wait',
      '-n',
      'kube-system',
      '--for=condition=Ready',
      'pod',
      '-l',
      'tier=control-plane',
      '--timeout=180s',
    );
  });
});
