/** The layout "services": machines, and on `controlplane` each component as a service. Its commands are those of a course. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { daemonPid } from '#agent/host/daemon.ts';
import { ExecError, execFile } from '#agent/host/exec.ts';
import { stopLab } from '#lab/down.ts';
import { machineDaemon, startMachine, stopMachine } from '#lab/machine/machine.ts';
import { until } from '#lab/until.ts';
import { type MachineLab, startMachineLab } from './machines.ts';

const tinker = [process.execPath, '--no-warnings', fileURLToPath(new URL('../../cli/tinker.ts', import.meta.url))];

describe('layout services', { timeout: 900_000 }, () => {
  let machines: MachineLab;
  const onControlPlane = (line: string): Promise<string> => machines.type(machines.controlPlane, line);
  const onWorker = (line: string): Promise<string> => machines.type(machines.worker, line);
  const lab = (): string[] => [`--name=${machines.lab.name}`, `--data-dir=${machines.lab.dataDir}`];
  const soon = { timeoutMs: 120_000, everyMs: 200 };

  before(async () => {
    machines = await startMachineLab('services');
  });
  after(async () => {
    await machines?.stop();
  });

  it('shows a host as a machine of its own', async () => {
    assert.equal(await onControlPlane('hostname; cat /etc/hostname'), 'controlplane\ncontrolplane\n');
    assert.equal(await onWorker('hostname'), 'worker-1\n');
    assert.match(await onWorker('ip addr'), new RegExp(`inet ${machines.worker.ip}/24 .* eth0`));
    const processes = await onWorker('ps aux');
    assert.match(processes, /\btini\b/);
    assert.doesNotMatch(processes, /kube-apiserver|docker-registry/);
    assert.match(await onWorker('iptables-save'), /KUBE-SERVICES/);
    assert.match(await onControlPlane('getent hosts worker-1'), new RegExp(machines.worker.ip));
    const [first, second] = [await onControlPlane('cat /etc/machine-id'), await onWorker('cat /etc/machine-id')];
    assert.notEqual(first, second);
    assert.equal(
      existsSync('/run/containerd/containerd.sock') && (await onWorker('ls /run/netns')).includes(machines.lab.name),
      false,
    );
  });

  it('registers both as nodes, the control plane with role and taint', async () => {
    const nodes = await onControlPlane('kubectl get nodes');
    assert.match(nodes, /^controlplane +Ready +control-plane /m);
    assert.match(nodes, /^worker-1 +Ready +<none> /m);
    const taints = await onControlPlane("kubectl get node controlplane -o jsonpath='{.spec.taints}'");
    assert.deepEqual(JSON.parse(taints), [{ effect: 'NoSchedule', key: 'node-role.kubernetes.io/control-plane' }]);
  });

  for (const component of ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'etcd', 'kubelet', 'kube-proxy']) {
    it(`shows ${component} as a service and as a process with upstream's flags`, async () => {
      const unit = await onControlPlane(`cat /etc/systemd/system/${component}.service`);
      assert.match(unit, new RegExp(`^ExecStart=/usr/(local/)?bin/${component} `, 'm'));
      assert.match(await onControlPlane(`ps -aux | grep ${component}`), new RegExp(`${component} --[a-z-]+=`));
    });
  }

  it("has the kubelet's configuration and kubeconfig at their usual places", async () => {
    const text = await onControlPlane('cat /var/lib/kubelet/config.yaml ; cat /etc/kubernetes/kubelet.conf');
    assert.match(text, /^kind: KubeletConfiguration$/m);
    assert.match(text, /user: system:node:controlplane$/m);
  });

  it('keeps its objects in etcd', async () => {
    const pki = '/etc/kubernetes/pki/etcd';
    const keys = await onControlPlane(
      `ETCDCTL_API=3 etcdctl --endpoints=https://127.0.0.1:2379 --cacert=${pki}/ca.crt --cert=${pki}/server.crt --key=${pki}/server.key get / --prefix --keys-only`,
    );
    assert.match(keys, /^\/registry\/minions\/controlplane$/m);
    assert.match(keys, /^\/registry\/services\/specs\/default\/kubernetes$/m);
  });

  it('answers /readyz and componentstatuses', async () => {
    assert.match(await onControlPlane("kubectl get --raw '/readyz?verbose'"), /^\[\+\]etcd ok$[^]*^readyz check passed$/m);
    const statuses = await onControlPlane('kubectl get componentstatuses 2> /dev/null');
    for (const name of ['controller-manager', 'scheduler', 'etcd-0'])
      assert.match(statuses, new RegExp(`^${name} +Healthy `, 'm'));
  });

  it('takes a pod by curl with a client certificate, and says what each step answered', async () => {
    const pod = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'by-hand' },
      spec: { containers: [{ name: 'c', image: 'busybox', command: ['sleep', '3600'] }] },
    });
    const pki = '/etc/kubernetes/pki';
    const post = (more: string): Promise<string> =>
      onControlPlane(
        `curl -sS --cacert ${pki}/ca.crt ${more} -X POST -H 'Content-Type: application/json' -d '${pod}' -o /tmp/answer -w '%{http_code}' https://${machines.controlPlane.ip}:6443/api/v1/namespaces/default/pods`,
      );
    assert.equal(await post(''), '403');
    await onControlPlane(
      'for part in certificate key; do kubectl config view --raw -o jsonpath="{.users[0].user.client-$part-data}" | base64 -d > /tmp/client.$part; done',
    );
    assert.equal(await post('--cert /tmp/client.certificate --key /tmp/client.key'), '201');
    await machines.kubectl('wait', '--for=condition=Ready', 'pod/by-hand', '--timeout=60s');
    assert.equal((await machines.kubectl('get', 'pod', 'by-hand', '-o', 'jsonpath={.spec.nodeName}')).trim(), 'worker-1');
  });

  it('lets a hostPID pod see the processes of its node, and no others', async () => {
    await machines.kubectl('run', 'look', '--image=busybox', '--overrides={"spec":{"hostPID":true}}', '--', 'sleep', '3600');
    await machines.kubectl('wait', '--for=condition=Ready', 'pod/look', '--timeout=60s');
    const processes = await machines.kubectl('exec', 'look', '--', 'ps');
    assert.match(processes, /\/usr\/bin\/containerd/);
    assert.doesNotMatch(processes, /kube-apiserver|docker-registry/);
  });

  it('starts a service again that was killed', async () => {
    const pidOf = async (): Promise<string> => (await onControlPlane('pgrep -o -f ^kube-scheduler || true')).trim();
    const killed = await pidOf();
    await onControlPlane(`kill -9 ${killed}`);
    await until('the scheduler runs again', async () => ![killed, ''].includes(await pidOf()), soon);
    const { stdout } = await execFile([...tinker, 'logs', ...lab(), 'kube-scheduler']);
    assert.ok(stdout.split('"became the leader"').length >= 1);
  });

  it('is entered by tinker shell, with a command too, and says which hosts there are', async () => {
    const { stdout } = await execFile([...tinker, 'shell', ...lab(), 'worker-1', '--', 'sh', '-c', 'hostname; echo $PATH']);
    assert.match(stdout, /^worker-1\n\/usr\/local\/sbin:/);
    await assert.rejects(execFile([...tinker, 'shell', ...lab(), 'worker-7']), (error: unknown) => {
      assert.ok(error instanceof ExecError);
      assert.match(error.result.stderr, /has no host "worker-7": controlplane, worker-1\./);
      return true;
    });
    const { stdout: log } = await execFile([...tinker, 'logs', ...lab(), 'kubelet', 'worker-1']);
    assert.match(log, /"msg":/);
  });

  it('switches a host off and on: same address, its pods come back', async () => {
    await execFile([...tinker, 'stop', ...lab(), 'worker-1']);
    await assert.rejects(
      execFile([...tinker, 'shell', ...lab(), 'worker-1', '--', 'true']),
      /worker-1 is switched off: tinker start worker-1/,
    );
    await execFile([...tinker, 'start', ...lab(), 'worker-1']);
    assert.match(await onWorker('ip addr'), new RegExp(`inet ${machines.worker.ip}/24`));
    const restarts = 'jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}';
    await until(
      'the pod runs again',
      async () => (await machines.kubectl('get', 'pod', 'by-hand', '-o', restarts)) === '1 true',
      soon,
    );
  });

  it('loses no write when the control plane is cut off and switched on again', async () => {
    await machines.kubectl('create', 'configmap', 'kept', '--from-literal=a=b');
    const { pidFile } = machineDaemon(machines.lab, machines.controlPlane);
    process.kill(daemonPid(pidFile) ?? assert.fail('it is off'), 'SIGKILL');
    await until('it is off', async () => daemonPid(pidFile) === undefined, soon);
    await startMachine(machines.lab, machines.controlPlane);
    await until('the API server is ready', async () => (await machines.kubectl('get', '--raw', '/readyz')) === 'ok', soon);
    assert.equal(await machines.kubectl('get', 'configmap', 'kept', '-o', 'jsonpath={.data.a}'), 'b');
    await until('its node is ready', async () => /^controlplane +Ready/m.test(await machines.kubectl('get', 'nodes')), soon);
  });

  it('leaves nothing on the real machine, after kill -9 too', async () => {
    await stopMachine(machines.lab, machines.worker);
    const { pidFile } = machineDaemon(machines.lab, machines.controlPlane);
    process.kill(daemonPid(pidFile) ?? assert.fail('it is off'), 'SIGKILL');
    await stopLab(machines.lab, execFile);
    const { name, dataDir, cgroup } = machines.lab;
    assert.equal(existsSync(dataDir), false);
    const traces = await Promise.all([
      execFile(['ip', '-br', 'link']),
      execFile(['ip', 'netns']),
      execFile(['findmnt', '-rno', 'TARGET']),
      execFile(['find', '/sys/fs/cgroup', '-maxdepth', '2', '-name', cgroup.slice(1)]),
      execFile(['ps', '-eo', 'args']),
    ]);
    const left = traces.flatMap(({ stdout }) => stdout.split('\n')).filter((line) => new RegExp(`${name}|${dataDir}`).test(line));
    assert.deepEqual(left, []);
  });
});
