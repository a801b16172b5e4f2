/** `tinker token`: manages bootstrap tokens, like `kubeadm token`. Source: kubeadm `app/cmd/token.go`. */
import { createHash, randomInt, X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import {
  bootstrapExpirationMs,
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  bootstrapValue,
  defaultNodeTokenGroup,
  groupPattern,
  parseBootstrapToken,
} from '#api/bootstrap-token.ts';
import { type New, rfc3339 } from '#api/meta.ts';
import { isAlreadyExists, isNotFound } from '#api/status.ts';
import type { Secret } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { createHttpTransport } from '#client/http-transport.ts';
import { type LoadedKubeconfig, loadKubeconfig } from '#client/kubeconfig.ts';
import { createClient } from '#client/rest-client.ts';
import { durationMs, names } from './flags.ts';
import { kubeconfigHelp, kubeconfigPath } from './kubeconfig-path.ts';

interface CreateFlags {
  ttl: number;
  usages: string[];
  groups: string[];
  description?: string;
  printJoinCommand?: true;
  kubeconfig?: string;
}

/** Adds the commands to `program`. */
export function createTokenCommand(program: Command): void {
  const token = program.command('token').description('bootstrap tokens, with which machines join the cluster');
  token
    .command('create [token]')
    .description('create a bootstrap token: the one given (abcdef.0123456789abcdef), or a random one')
    .option('--ttl <duration>', 'how long it is good for; 0: for ever', durationMs, 24 * 3_600_000)
    .option('--usages <names>', 'what it may be used for: signing, authentication', replacing, ['signing', 'authentication'])
    .option('--groups <names>', 'groups of those who show it', replacing, [defaultNodeTokenGroup])
    .option('--description <text>', 'for whom it is')
    .option('--print-join-command', 'print the command that joins a machine with it')
    .option('--kubeconfig <path>', kubeconfigHelp)
    .action(async (given: string | undefined, flags: CreateFlags) => {
      const value = given ?? randomToken(randomInt);
      await asking(flags, async (client, config) => {
        await create(client, tokenSecret(value, flags, Date.now()));
        print(flags.printJoinCommand === true ? joinCommand(config, value) : value);
      });
    });
  token
    .command('list')
    .description('list the bootstrap tokens')
    .option('--kubeconfig <path>', kubeconfigHelp)
    .action((flags: { kubeconfig?: string }) =>
      asking(flags, async (client) => {
        const { items } = await client
          .resource('secrets')
          .list({ namespace: bootstrapTokenNamespace, fieldSelector: `type=${bootstrapTokenType}` });
        if (items.length > 0) print(tokenTable(items, Date.now()));
      }),
    );
  token
    .command('delete <token...>')
    .description('delete bootstrap tokens, by the whole token or its ID')
    .option('--kubeconfig <path>', kubeconfigHelp)
    .action((given: string[], flags: { kubeconfig?: string }) =>
      asking(flags, async (client) => {
        for (const id of given.map(idOf)) {
          await remove(client, id);
          print(`bootstrap token ${JSON.stringify(id)} deleted`);
        }
      }),
    );
  token
    .command('generate')
    .description('print a random bootstrap token, without creating it')
    .action(() => print(randomToken(randomInt)));
}

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const replacing = (text: string): string[] => names(text, []);

async function asking(
  { kubeconfig }: { kubeconfig?: string },
  run: (client: Client, config: LoadedKubeconfig) => Promise<void>,
): Promise<void> {
  const config = loadKubeconfig(kubeconfigPath(kubeconfig));
  const transport = createHttpTransport(config);
  try {
    await run(createClient(transport, { userAgent: 'tinker' }), config);
  } finally {
    transport.close();
  }
}

const alphabet = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** A new random token. @param random returns an unpredictable whole number below its argument */
export function randomToken(random: (below: number) => number): string {
  const text = (length: number): string => Array.from({ length }, () => alphabet[random(alphabet.length)]).join('');
  return `${text(6)}.${text(16)}`;
}

const knownUsages = ['signing', 'authentication'];

/** The Secret of a token. @throws Error that names the invalid part. Pure. */
export function tokenSecret(
  token: string,
  { ttl, usages, groups, description }: Pick<CreateFlags, 'ttl' | 'usages' | 'groups' | 'description'>,
  nowMs: number,
): New<Secret> {
  const parts = parseBootstrapToken(token);
  if (parts === undefined)
    throw new Error('the bootstrap token is not of the form "[a-z0-9]{6}.[a-z0-9]{16}": leave it out for a random one');
  const usage = usages.find((one) => !knownUsages.includes(one));
  if (usage !== undefined) throw new Error(`--usages ${usage}: give some of ${knownUsages.join(',')}`);
  const group = groups.find((one) => !groupPattern.test(one));
  if (group !== undefined) throw new Error(`--groups ${group}: give names that begin with system:bootstrappers:`);
  if (groups.length > 0 && !usages.includes('authentication'))
    throw new Error('--groups go with the usage authentication: give --groups "" without it');
  const stringData: Record<string, string> = {
    'token-id': parts.id,
    'token-secret': parts.secret,
    ...(description === undefined ? {} : { description }),
    ...(ttl === 0 ? {} : { expiration: rfc3339(nowMs + ttl) }),
    ...Object.fromEntries(usages.map((one) => [`usage-bootstrap-${one}`, 'true'])),
    ...(groups.length === 0 ? {} : { 'auth-extra-groups': groups.join(',') }),
  };
  const data = Object.fromEntries(Object.entries(stringData).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
  const metadata = { name: `${bootstrapTokenPrefix}${parts.id}`, namespace: bootstrapTokenNamespace };
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: bootstrapTokenType, data };
}

async function create(client: Client, secret: New<Secret>): Promise<void> {
  try {
    await client.resource('secrets').create(secret);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const id = secret.metadata.name?.slice(bootstrapTokenPrefix.length) ?? '';
    throw new Error(`a token with id ${JSON.stringify(id)} already exists`, { cause: error });
  }
}

/** The command that a machine runs to join. The address is that of the kubeconfig. Pure. */
export function joinCommand({ server, ca = '' }: Pick<LoadedKubeconfig, 'server' | 'ca'>, token: string): string {
  const { hostname, port } = new URL(server);
  const hashes = (ca.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map((pem) => {
    const key = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
    return `--discovery-token-ca-cert-hash sha256:${createHash('sha256').update(key).digest('hex')}`;
  });
  return ['tinker agent --join', `${hostname}:${port === '' ? 443 : port}`, `--token ${token}`, ...hashes].join(' ');
}

function idOf(text: string): string {
  const id = parseBootstrapToken(text)?.id ?? text;
  if (!/^[a-z0-9]{6}$/.test(id))
    throw new Error(`${text}: give a token of the form "[a-z0-9]{6}.[a-z0-9]{16}", or its ID of the form "[a-z0-9]{6}"`);
  return id;
}

async function remove(client: Client, id: string): Promise<void> {
  try {
    await client.resource('secrets').delete({ namespace: bootstrapTokenNamespace, name: `${bootstrapTokenPrefix}${id}` });
  } catch (error) {
    if (isNotFound(error)) throw new Error(`there is no bootstrap token ${JSON.stringify(id)}`, { cause: error });
    throw error;
  }
}

/** The table of tokens, as `kubeadm token list` prints it. Pure. */
export function tokenTable(secrets: readonly Secret[], nowMs: number): string {
  const header = ['TOKEN', 'TTL', 'EXPIRES', 'USAGES', 'DESCRIPTION', 'EXTRA GROUPS'];
  const rows = [header, ...secrets.map((secret) => tokenRow(secret, nowMs))];
  const widths = header.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

/** One number with its unit. Source: apimachinery `pkg/util/duration` (ShortHumanDuration). */
function shortDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (Number.isNaN(seconds) || seconds < -1) return '<invalid>';
  const [minutes, hours] = [Math.trunc(seconds / 60), Math.trunc(seconds / 3600)];
  if (seconds < 60) return `${Math.max(0, seconds)}s`;
  if (minutes < 60) return `${minutes}m`;
  if (hours < 24) return `${hours}h`;
  return hours < 24 * 365 ? `${Math.trunc(hours / 24)}d` : `${Math.trunc(hours / 24 / 365)}y`;
}

function tokenRow(secret: Secret, nowMs: number): string[] {
  const value = (key: string): string => bootstrapValue(secret, key);
  const expiresMs = bootstrapExpirationMs(secret);
  const usages = Object.keys(secret.data ?? {})
    .filter((key) => key.startsWith('usage-bootstrap-') && value(key) === 'true')
    .map((key) => key.slice('usage-bootstrap-'.length))
    .sort();
  return [
    `${value('token-id')}.${value('token-secret')}`,
    ...(expiresMs === undefined ? ['<forever>', '<never>'] : [shortDuration(expiresMs - nowMs), value('expiration')]),
    usages.join(',') || '<none>',
    value('description') || '<none>',
    value('auth-extra-groups') || '<none>',
  ];
}
