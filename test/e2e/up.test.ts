/** `tinker up` and `tinker down` as users run them, with errors too. It uses its own lab, with its own names. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { daemonPid, stopDaemon } from '#agent/host/daemon.ts';
import { ExecError, execFile } from '#agent/host/exec.ts';
import { defaultLab, planLab } from '#lab/config.ts';
import { serverDaemon } from '#lab/control-plane.ts';
import { stopLab } from '#lab/down.ts';
import { namespacePids, nsenter } from '#lab/network.ts';
import { registryDaemon } from '#lab/registry.ts';
import { kubectl } from '#lab/sample.ts';
import { until } from '#lab/until.ts';
import { agentDaemon, runtimeDaemon, startAgent, startRuntime } from '#lab/worker.ts';
import { background } from './cluster.ts';

const options = {
  ...defaultLab,
  name: 'tkup',
  subnet: '10.206.0.0/24',
  clusterCidr: '10.247.0.0/16',
  serviceCidr: '10.99.0.0/16',
  dataDir: '/var/lib/tinkernetes/test-up',
};
const lab = planLab(options);
const program = [process.execPath, '--no-warnings', fileURLToPath(new URL('../../cli/tinker.ts', import.meta.url))];
const up = [
  'up',
  `--name=${lab.name}`,
  `--subnet=${lab.subnet}`,
  `--cluster-cidr=${lab.clusterCidr}`,
  `--service-cidr=${lab.serviceCidr}`,
  `--data-dir=${lab.dataDir}`,
];
const down = ['down', `--name=${lab.name}`, `--data-dir=${lab.dataDir}`];

const tinker = async (args: readonly string[]): Promise<string> =>
  (await execFile([...program, ...args], { timeoutMs: 300_000 })).stdout;

/** Runs a command that must fail with status 1 and one line of explanation. */
async function fails(args: readonly string[], message: RegExp, as: readonly string[] = []): Promise<void> {
  await assert.rejects(execFile([...as, ...program, ...args], { timeoutMs: 120_000 }), (error: unknown) => {
    assert.ok(error instanceof ExecError);
    assert.match(error.result.stderr, message);
    assert.equal(error.result.stderr.trimEnd().split('\n').length, 1, `one line: ${error.result.stderr}`);
    assert.equal(error.result.exitCode, 1);
    return true;
  });
}

/** The traces of the lab on this machine. Empty when there are none. */
async function traces(): Promise<string[]> {
  const outputs = await Promise.all([
    execFile(['ip', '-br', 'link']),
    execFile(['ip', 'netns']),
    execFile(['iptables-save']),
    execFile(['findmnt', '-rno', 'TARGET']),
    execFile(['find', '/sys/fs/cgroup', '-maxdepth', '2', '-name', lab.cgroup.slice(1)]),
    execFile(['ps', '-eo', 'args']),
    execFile([
      'find',
      ...['/run', '/run/tinkernetes', '/var/lib/tinkernetes', '/var/lib/cni'].filter((path) => existsSync(path)),
      '-maxdepth',
      '1',
    ]),
  ]);
  const name = new RegExp(`(^|/| |tinkernetes-)${lab.name}(0|-w|-worker|/|$)|lab ${lab.name}"|${lab.dataDir}|${lab.stateDir}`);
  return outputs.flatMap(({ stdout }) => stdout.split('\n').filter((line) => name.test(line)));
}

/** Removes the lab, also one that a killed test run has left. */
async function fromNothing(): Promise<void> {
  await stopLab(lab, execFile);
  rmSync(lab.dataDir, { recursive: true, force: true });
}

describe('tinker up, when it cannot start', () => {
  before(fromNothing);
  after(async () => assert.deepEqual(await traces(), [], 'nothing is made before all is checked'));

  it('reports that the user is not root', async () => {
    // With the capability to read everything, because the sources may be in a folder that this user cannot read.
    const read = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
    const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...read];
    await fails(up, /^tinker: Namespaces, mounts and iptables need root: run it with sudo\.\n$/, nobody);
  });

  it('names the link through which the subnet is reached already', async () => {
    await execFile(['ip', 'link', 'add', 'tkupx', 'type', 'bridge']);
    try {
      await execFile(['ip', 'addr', 'add', '10.206.0.129/25', 'dev', 'tkupx']);
      await execFile(['ip', 'link', 'set', 'tkupx', 'up']);
      await fails(
        up,
        /--subnet 10\.206\.0\.0\/24 is in use on this machine \(10\.206\.0\.128\/25 is reached through tkupx\): choose another network\./,
      );
    } finally {
      await execFile(['ip', 'link', 'delete', 'tkupx']);
    }
  });

  for (const port of [6443, 5000]) {
    it(`names the program that has port ${port}`, async () => {
      const server = createServer();
      await execFile(['ip', 'addr', 'add', `${lab.hostIp}/32`, 'dev', 'lo']);
      try {
        await new Promise<void>((resolve, reject) => void server.once('error', reject).listen(port, lab.hostIp, resolve));
        await fails(
          up,
          new RegExp(
            `Port ${port} on 10\\.206\\.0\\.1 is taken by "[^"]+" \\(pid ${process.pid}\\): stop it, or choose another --subnet\\.`,
          ),
        );
      } finally {
        server.close();
        await execFile(['ip', 'addr', 'del', `${lab.hostIp}/32`, 'dev', 'lo']);
      }
    });
  }

  it('refuses to use a foreign link, and "down" does not remove it', async () => {
    await execFile(['ip', 'link', 'add', lab.bridge, 'type', 'bridge']);
    try {
      await fails(up, /The network link tkup0 exists, and is not of a lab "tkup": choose another --name\./);
      assert.match(await tinker(down), /^There is no lab "tkup" on this machine\./);
      await execFile(['ip', 'link', 'show', lab.bridge]);
    } finally {
      await execFile(['ip', 'link', 'delete', lab.bridge]);
    }
  });

  it('refuses a folder with other files, and "down" does not remove it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tinker-up-'));
    try {
      writeFileSync(join(folder, 'log'), 'mine');
      await fails([...up, `--data-dir=${folder}`], /--data-dir \S+ holds other files \(log\): name a new or an empty folder\./);
      await tinker([...down, `--data-dir=${folder}`]);
      assert.equal(readFileSync(join(folder, 'log'), 'utf8'), 'mine');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('tinker up and down', () => {
  before(fromNothing);
  after(() => stopLab(lab, execFile));

  it('refuses a second one meanwhile, and on Ctrl-C reports what is left and how to continue', async () => {
    const first = background([...program, ...up]);
    await until('it has begun', async () => first.output().includes('✔ Bundle'), { timeoutMs: 120_000, onTimeout: first.output });
    await fails(up, /Another "up" or "down" works on the lab "tkup": wait until it has ended, then run this again\./);
    await first.stop();
    assert.match(
      first.output(),
      /\ntinker: interrupted; the same command goes on from here, "npm run down -- --name tkup" takes it away\.\n$/,
    );
  });

  it('prints nodes, pods, answers of different pods, and working commands', async () => {
    const output = await tinker(up);
    assert.match(output, /✔ Wait for Ready nodes \[/);
    assert.equal([...output.matchAll(/^worker-\d +Ready /gm)].length, 2);
    const answers = [...output.matchAll(/Hello from (\S+) /g)].map(([, pod]) => pod);
    assert.equal(new Set(answers).size, 3, output);
    assert.match(output, /npm run down -- --name tkup/);
    for (const [, path] of output.matchAll(/(?:KUBECONFIG=|ls |--net=)(\S+)/g))
      assert.ok(existsSync(path as string), `${path} is there`);
  });

  it('does not translate the host’s own connections to the lab', async () => {
    const server = createServer((socket) => socket.end(String(socket.remoteAddress)));
    await once(server.listen(0, lab.hostIp), 'listening');
    try {
      const client = connect((server.address() as AddressInfo).port, lab.hostIp);
      assert.equal(await text(client), lab.hostIp);
    } finally {
      server.close();
    }
  });

  it('lets nothing out of a node that goes to an address of no Service', async () => {
    const [worker] = lab.hosts;
    assert.ok(worker);
    const dial = `require('node:net').connect(80, '10.99.255.254').on('error', ({ code }) => console.log(code))`;
    const { stdout } = await execFile([...nsenter(worker), process.execPath, '-e', dial]);
    assert.equal(stdout, 'ECONNREFUSED\n');
  });

  it('does not touch running programs when it is run again', async () => {
    const state = async (): Promise<unknown> => [
      [
        serverDaemon(lab),
        registryDaemon(lab),
        ...lab.hosts.flatMap((worker) => [agentDaemon(lab, worker), runtimeDaemon(lab, worker)]),
      ].map(({ pidFile }) => daemonPid(pidFile)),
      await kubectl(lab, execFile, [
        'get',
        'pods',
        '-o',
        'jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}\n{end}',
      ]),
    ];
    const earlier = await state();
    await tinker(up);
    assert.deepEqual(await state(), earlier);
  });

  const others: [string, RegExp][] = [
    [
      '--subnet=10.208.0.0/24',
      /The lab "tkup" exists with --subnet 10\.206\.0\.0\/24, not 10\.208\.0\.0\/24: take it away first \(npm run down -- --name tkup\)/,
    ],
    ['--workers=1', /exists with --workers 2, not 1: take it away first/],
    ['--runtime=docker', /exists with --runtime containerd, not docker: take it away first/],
    ['--name=tkuq', /--data-dir \/var\/lib\/tinkernetes\/test-up holds the lab "tkup": name a new or an empty folder\./],
  ];
  for (const [flag, message] of others) it(`refuses ${flag} while the lab is up`, () => fails([...up, flag], message));

  it('has an agent that reports when containerd does not run, and waits for it', async () => {
    const [worker] = lab.hosts;
    assert.ok(worker);
    const { logFile, pidFile } = agentDaemon(lab, worker);
    await stopDaemon(pidFile);
    await stopDaemon(runtimeDaemon(lab, worker).pidFile);
    const before = readFileSync(logFile, 'utf8').length;
    const since = (): string => readFileSync(logFile, 'utf8').slice(before);
    await startAgent(lab, worker);
    await until('the agent says it', async () => since().includes('the container runtime does not answer: waiting for it'), {
      timeoutMs: 120_000,
      onTimeout: since,
    });
    assert.notEqual(daemonPid(pidFile), undefined, 'it waits');
    await startRuntime(lab, worker);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'late' },
      spec: {
        nodeName: worker.name,
        containers: [{ name: 'c', image: 'busybox', imagePullPolicy: 'IfNotPresent', command: ['sleep', '600'] }],
      },
    };
    await execFile(['tee', join(lab.dataDir, 'log/late.json')], { stdin: JSON.stringify(pod) });
    await kubectl(lab, execFile, ['apply', '-f', join(lab.dataDir, 'log/late.json')]);
    await kubectl(lab, execFile, ['wait', '--for=condition=Ready', 'pod/late', '--timeout=120s']);
  });

  it('reports why an agent cannot run, without waiting for it', async () => {
    const [worker] = lab.hosts;
    assert.ok(worker);
    await stopDaemon(agentDaemon(lab, worker).pidFile);
    const listen = "require('node:net').createServer().listen(10250, () => console.log('listening'))";
    const other = background([...nsenter(worker), process.execPath, '-e', listen]);
    try {
      await until('the port is taken', async () => other.output() !== '', { timeoutMs: 60_000 });
      await assert.rejects(tinker(up), (error: unknown) => {
        assert.ok(error instanceof ExecError);
        assert.match(error.result.stderr, /worker-1's agent has ended; its log \S+ says: the kubelet cannot listen on \S+:10250/);
        assert.match(
          error.result.stderr,
          /\nWhat was started is left as it is\. Logs: .* To take it away: npm run down -- --name tkup\n$/,
        );
        return true;
      });
    } finally {
      await other.stop();
    }
    await tinker(up);
  });

  it('removes everything, also after kill -9 of all its processes, and may be run twice', async () => {
    assert.notDeepEqual(await traces(), []);
    const daemons = [serverDaemon(lab), registryDaemon(lab)].map(({ pidFile }) => daemonPid(pidFile));
    // Shims have their sockets in one place for the whole machine.
    const sockets = globSync(join(lab.stateDir, 'worker-*/containerd/io.containerd.runtime.v2.task/*/*/address')).map((file) =>
      readFileSync(file, 'utf8').replace(/^unix:\/\//, ''),
    );
    assert.ok(sockets.some((path) => existsSync(path)));
    for (const pid of [...(await namespacePids(lab, execFile)), ...daemons]) if (pid !== undefined) process.kill(pid, 'SIGKILL');
    assert.match(await tinker(down), /^✔ Take the lab "tkup" away/);
    assert.deepEqual(await traces(), []);
    assert.deepEqual(
      sockets.filter((path) => existsSync(path)),
      [],
    );
    assert.match(await tinker(down), /^There is no lab "tkup" on this machine\./);
  });
});
