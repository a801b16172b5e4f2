/** Tests what users see of wrong flags and files: one line with the problem and the solution, and exit status 1. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { load } from 'js-yaml';
import { ExecError, execFile } from '#agent/host/exec.ts';
import { nodeCredentials } from '#control/pki/node-credentials.ts';

const program = [process.execPath, '--no-warnings', fileURLToPath(new URL('./tinker.ts', import.meta.url))];

async function fails(args: readonly string[], message: RegExp): Promise<void> {
  await assert.rejects(execFile([...program, ...args], { timeoutMs: 240_000 }), (error: unknown) => {
    assert.ok(error instanceof ExecError);
    const { exitCode, stdout, stderr } = error.result;
    assert.match(stderr, message);
    assert.equal(stderr.trimEnd().split('\n').length, 1, `one line: ${stderr}`);
    assert.match(stderr, /^tinker: /);
    assert.equal(exitCode, 1);
    assert.equal(stdout, '');
    return true;
  });
}

describe('tinker with wrong arguments', { concurrency: 2 }, () => {
  const cases: [string, RegExp][] = [
    ['upp', /unknown command 'upp' \(Did you mean up\?\) \(tinker <command> --help lists the flags\)/],
    ['up --nme x', /unknown option '--nme' \(Did you mean --name\?\)/],
    ['up --workers two', /--workers two: give a number from 1 to 9/],
    ['up --runtime podman', /--runtime podman: give containerd or docker/],
    ['up --segments two', /--segments two: give 1 or 2/],
    ['up --subnet 10.200.0.0/30', /--subnet 10\.200\.0\.0\/30: give an IPv4 network/],
    ['down --name No', /--name No: give 1 to 8 lower-case letters/],
    [
      'server --node-monitor-period 5',
      /'--node-monitor-period <duration>' argument '5' is invalid\. Give a duration such as 40s/,
    ],
    ['server --secure-port 99999', /argument '99999' is invalid\. Give a port, 1 to 65535/],
    ['server --service-node-port-range 5-3', /argument '5-3' is invalid\. Give a range/],
    ['server --cluster-cidr 10.1', /argument '10\.1' is invalid\. Give a network/],
    ['server --service-cluster-ip-range 10.96.0.0/33', /argument '10\.96\.0\.0\/33' is invalid\. Give a network/],
    ['server --bind-address nowhere', /--bind-address nowhere: give an IP address/],
    [
      'server --advertise-address 10.0.0.1 --scheduler-config /dev/null',
      /--scheduler-config \/dev\/null: the configuration is no object/,
    ],
    [
      'server --advertise-address 10.0.0.1 --leader-elect-lease-duration 5s',
      /--leader-elect-lease-duration must be greater than --leader-elect-renew-deadline/,
    ],
    ['server --leader-elect-resource-lock endpoints', /Allowed choices are leases/],
    ['server --advertise-address 1.2.3', /--advertise-address 1\.2\.3: give an IP address/],
    ['server --log-level loud --data-dir /nowhere/made', /--log-level loud: give debug, info, warn or error/],
    [
      'server --enable-admission-plugins PodSecurity,Nothing --disable-admission-plugins Odd,PodSecurity',
      /enable-admission-plugins plugin "Nothing" is unknown; disable-admission-plugins plugin "Odd" is unknown; \[PodSecurity\] in enable-admission-plugins and disable-admission-plugins overlapped/,
    ],
    ['agent', /--kubeconfig: give the node's credentials \(tinker node-credentials\), or --join with --token/],
  ];
  for (const [line, message] of cases) it(`tinker ${line}`, () => fails(line.split(' '), message));
});

describe('commands of the lab', () => {
  it('run from the sources, also by bin/tinker: the bundle has no lab', async () => {
    const tinker = fileURLToPath(new URL('../bin/tinker', import.meta.url));
    for (const command of ['shell worker-1', 'logs kubelet', 'stop worker-1', 'start worker-1'])
      await assert.rejects(
        execFile([tinker, ...command.split(' '), '--name', 'nolab'], { timeoutMs: 240_000 }),
        (error: unknown) => {
          assert.ok(error instanceof ExecError);
          assert.equal(error.result.stderr, 'tinker: There is no lab "nolab" on this machine: npm run up starts one.\n');
          return true;
        },
      );
  });
});

describe('a component with wrong arguments', { concurrency: 2 }, () => {
  const cases: [string, RegExp][] = [
    ['kubelet --config-dir /nowhere', /^kubelet: --config-dir \/nowhere: /],
    [
      'kubelet --kubeconfig /etc/hostname --node-ip 10.0.0.1,10.0.0.2',
      /^kubelet: --node-ip 10\.0\.0\.1,10\.0\.0\.2: give one address/,
    ],
    [
      'kube-scheduler --kubeconfig @ --tls-cert-file /nowhere --tls-private-key-file /nowhere',
      /^kube-scheduler: --tls-cert-file, --tls-private-key-file: ENOENT: .*\/nowhere/,
    ],
  ];
  for (const [line, message] of cases)
    it(line, () =>
      assert.rejects(execFile([...program, ...line.split(' ')], { timeoutMs: 240_000 }), (error: unknown) => {
        assert.ok(error instanceof ExecError);
        assert.match(error.result.stderr, message);
        assert.equal(error.result.stderr.trimEnd().split('\n').length, 1, error.result.stderr);
        return true;
      }),
    );
});

describe('tinker server, when it cannot run', () => {
  let scratch: string;
  let listener: Server;
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-input-'));
    listener = createServer();
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    listener.close();
    rmSync(scratch, { recursive: true });
  });
  const server = (...args: string[]): string[] => [
    'server',
    `--data-dir=${scratch}/server`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    ...args,
  ];

  it('names the port that is taken', async () => {
    const { port } = listener.address() as AddressInfo;
    await fails(
      server(`--secure-port=${port}`),
      new RegExp(`port ${port} on 127\\.0\\.0\\.1 is taken by another program: stop it`),
    );
  });

  it('names an address that is not the machine’s', () =>
    fails(
      [...server(), '--bind-address=192.0.2.250'],
      /192\.0\.2\.250 is not an address of this machine: port 6443 cannot be served there/,
    ));

  it('names a folder that is a file', async () => {
    writeFileSync(join(scratch, 'file'), '');
    await fails([...server(), `--data-dir=${scratch}/file`], /--data-dir \S+\/file: a file stands where a folder is needed/);
  });

  it('names a folder that cannot be made, also below /proc', () =>
    fails([...server(), '--data-dir=/proc/no'], /--data-dir \/proc\/no: /));

  it('names a node mask that does not fit the pods’ network', () =>
    fails(
      server('--node-cidr-mask-size=8'),
      /--node-cidr-mask-size 8: give 16 to 30, for a node's part of --cluster-cidr 10\.244\.0\.0\/16/,
    ));

  it('names a broken key, and does not change it', async () => {
    const pki = join(scratch, 'broken/pki');
    mkdirSync(pki, { recursive: true });
    for (const name of ['sa.key', 'sa.pub']) writeFileSync(join(pki, name), 'not PEM\n');
    await fails(
      [...server(), `--data-dir=${scratch}/broken`],
      /pki\/sa\.key is not a private key in PEM: nothing was changed; restore it from a backup, or move it/,
    );
    assert.deepEqual(readdirSync(join(scratch, 'broken')), ['pki']);
    assert.deepEqual(readdirSync(pki), ['sa.key', 'sa.pub']);
  });

  it('names a missing certificate of the CA', async () => {
    const pki = join(scratch, 'half/pki');
    mkdirSync(pki, { recursive: true });
    writeFileSync(join(pki, 'ca.key'), 'a key\n');
    await fails(
      [...server(), `--data-dir=${scratch}/half`],
      /pki\/ca\.crt is missing, but \S+pki\/ca\.key is there: nothing was changed/,
    );
  });

  it('names the folder that a full disk has no space for', async (t) => {
    const disk = mkdtempSync(join(scratch, 'full-'));
    await execFile(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]);
    t.after(() => execFile(['umount', disk]));
    writeFileSync(join(disk, 'filler'), Buffer.alloc(64 << 10));
    await fails([...server(), `--data-dir=${disk}/server`], /\S+\/server\S* .*no space is left on the disk/);
    assert.deepEqual(
      readdirSync(disk).filter((name) => name !== 'filler' && name !== 'server'),
      [],
    );
  });

  it('refuses to sign credentials for an invalid node name, or a server that is not HTTPS', async () => {
    await nodeCredentials({
      pkiFolder: join(scratch, 'ca/pki'),
      out: join(scratch, 'first'),
      nodeName: 'n',
      nodeIp: '127.0.0.1',
      server: 'https://127.0.0.1:1',
      nowMs: Date.now(),
    });
    const sign = (name: string, url: string): string[] => [
      'node-credentials',
      name,
      '--node-ip=127.0.0.1',
      `--server=${url}`,
      `--out=${scratch}/out`,
      `--data-dir=${scratch}/ca`,
    ];
    await fails(sign('Node_1', 'https://127.0.0.1:1'), /node-credentials Node_1: give a node's name/);
    await fails(sign('n', 'http://127.0.0.1:1'), /--server http:\/\/127\.0\.0\.1:1: give a URL such as https:/);
  });

  it('refuses to sign credentials without the cluster’s CA', () =>
    fails(
      [
        'node-credentials',
        'x',
        '--node-ip=127.0.0.1',
        '--server=https://127.0.0.1:6443',
        `--out=${scratch}/out`,
        `--data-dir=${scratch}/none`,
      ],
      /--data-dir \S+\/none: no cluster CA here \(pki\/ca\.key\); run this where "tinker server" runs/,
    ));
});

describe('tinker agent, when it cannot run', () => {
  let scratch: string;
  before(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'tinker-input-'));
    await nodeCredentials({
      pkiFolder: join(scratch, 'pki'),
      out: scratch,
      nodeName: 'n',
      nodeIp: '127.0.0.1',
      server: 'https://127.0.0.1:1',
      nowMs: Date.now(),
    });
    writeFileSync(join(scratch, 'empty'), '');
  });
  after(() => rmSync(scratch, { recursive: true }));
  const agent = (...args: string[]): string[] => [
    'agent',
    `--kubeconfig=${scratch}/kubelet.conf`,
    `--client-ca-file=${scratch}/ca.crt`,
    `--tls-cert-file=${scratch}/kubelet.crt`,
    `--tls-private-key-file=${scratch}/kubelet.key`,
    `--root-dir=${scratch}/root`,
    '--node-ip=127.0.0.1',
    ...args,
  ];

  const cases: [string, string, RegExp][] = [
    ['a kubeconfig that is absent', '--kubeconfig=/nope', /--kubeconfig \/nope: there is no such file or folder/],
    ['a certificate that is absent', '--tls-cert-file=/nope', /--tls-cert-file \/nope: there is no such file/],
    ['a key that is a folder', '--tls-private-key-file=/tmp', /--tls-private-key-file \/tmp: not a file/],
    [
      'a name that no node can have',
      '--hostname-override=Node_1',
      /--hostname-override Node_1: give a node's name, of lower-case/,
    ],
    ['an unknown runtime', '--container-runtime=crio', /--container-runtime crio: give containerd or docker/],
    ['an address that is none', '--node-ip=1.2.3', /--node-ip 1\.2\.3: give an IP address/],
    ['a join without a token', '--join=10.0.0.1:6443', /--join: give a bootstrap token with --token/],
    ['a token without a join', '--token=abcdef.0123456789abcdef', /--token and --discovery-token-ca-cert-hash go with --join/],
  ];
  for (const [name, flag, message] of cases) it(`names ${name}`, () => fails(agent(flag), message));

  it('says what a join lacks', async () => {
    const join = (...args: string[]): string[] => ['agent', `--root-dir=${scratch}/joining`, '--node-ip=127.0.0.1', ...args];
    const token = '--token=abcdef.0123456789abcdef';
    await fails(join('--join=10.0.0.1:6443', token), /give the hash of the cluster's CA with --discovery-token-ca-cert-hash/);
    await fails(
      join('--join=10.0.0.1', token, '--discovery-token-ca-cert-hash=sha256:00'),
      /--join 10\.0\.0\.1: give the API server's address and port, such as 10\.0\.0\.1:6443/,
    );
    await fails(
      join('--join=10.0.0.1:6443', token, '--discovery-token-ca-cert-hash=sha256:00'),
      /(invalid discovery token CA certificate hash: "sha256:00"|a node needs root)/,
    );
    await fails(join('--bootstrap-kubeconfig=/nope'), /(\/nope: cannot read the kubeconfig|a node needs root)/);
    await fails(
      agent('--rotate-server-certificates=false', `--tls-cert-file=${scratch}/kubelet.crt`, '--tls-private-key-file=/nope'),
      /--tls-private-key-file \/nope: there is no such file/,
    );
  });

  it('names an empty kubeconfig', () =>
    fails(agent(`--kubeconfig=${scratch}/empty`), /(\/empty: the kubeconfig is empty or not a mapping|a node needs root)/));

  it('says how to renew credentials from before the parts of an agent had users of their own', () => {
    const { contexts, ...rest } = load(readFileSync(join(scratch, 'kubelet.conf'), 'utf8')) as { contexts: unknown[] };
    writeFileSync(join(scratch, 'old.conf'), JSON.stringify({ ...rest, contexts: contexts.slice(0, 1) }));
    return fails(
      agent(`--kubeconfig=${scratch}/old.conf`),
      /(old\.conf: context "system:kube-proxy@kubernetes" does not exist; .*anew with tinker node-credentials|a node needs root)/,
    );
  });
});
