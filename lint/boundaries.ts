/**
 * Which folder may import which others: the rule of ARCHITECTURE.md, as a lint rule (`tinkernetes/boundaries`).
 *
 * Every form of an import counts: `#control/…`, relative paths, `export … from`, dynamic `import()`, `require()`, type imports. A
 * specifier is first resolved to a path of the repository, so its spelling does not matter.
 */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { judgeExport } from './docstrings.ts';

interface Room {
  /** A folder of the repository. A file belongs to the most specific room that contains it. */
  folder: string;
  /** The folders from which its production code may import, besides itself. */
  mayImport: readonly string[];
  why: string;
}

const control = ['api', 'client'];
const agent = ['api', 'client', 'agent/host'];

/** The rooms with their rules, as ARCHITECTURE.md states them. */
export const rooms: readonly Room[] = [
  { folder: 'api', mayImport: [], why: 'api/ imports nothing of ours.' },
  { folder: 'client', mayImport: ['api'], why: 'client/ imports api/ only.' },
  { folder: 'control', mayImport: [...control, 'control'], why: 'control/ imports api/ and client/ only.' },
  { folder: 'control/store', mayImport: control, why: 'The store knows nothing of what is built on it.' },
  { folder: 'control/pki', mayImport: control, why: 'control/pki imports api/ and client/ only.' },
  {
    folder: 'control/apiserver',
    mayImport: [...control, 'control/store'],
    why: 'The API server stands on the store alone: it knows no controller and no scheduler.',
  },
  {
    folder: 'control/component-server',
    mayImport: [...control, 'control/apiserver'],
    why: 'What all components serve knows no controller and no scheduler.',
  },
  { folder: 'control/controllers', mayImport: control, why: 'Controllers reach objects through client/ only.' },
  { folder: 'control/scheduler', mayImport: control, why: 'The scheduler reaches objects through client/ only.' },
  { folder: 'agent', mayImport: ['api', 'client', 'agent'], why: 'agent/ imports api/ and client/ only.' },
  { folder: 'agent/host', mayImport: [], why: 'agent/host stands below everything of the agent.' },
  { folder: 'agent/credentials', mayImport: agent, why: 'Credentials know nothing of the parts that use them.' },
  { folder: 'agent/runtime', mayImport: agent, why: 'The runtime knows nothing of what drives it.' },
  {
    folder: 'agent/kubelet',
    mayImport: [...agent, 'agent/runtime'],
    why: 'Kubelet, proxy, network and DNS meet only in agent/agent.ts.',
  },
  {
    folder: 'agent/proxy',
    mayImport: [...agent, 'agent/proxy/iptables/iptables-backend.ts', 'agent/proxy/nftables/nftables-backend.ts'],
    why: 'Kubelet, proxy, network and DNS meet only in agent/agent.ts; a proxy backend is used through agent/proxy/backend.ts.',
  },
  { folder: 'agent/proxy/iptables', mayImport: [...agent, 'agent/proxy'], why: 'A proxy backend knows the proxy alone.' },
  { folder: 'agent/proxy/nftables', mayImport: [...agent, 'agent/proxy'], why: 'A proxy backend knows the proxy alone.' },
  { folder: 'agent/network', mayImport: agent, why: 'Kubelet, proxy, network and DNS meet only in agent/agent.ts.' },
  { folder: 'agent/network-policy', mayImport: agent, why: 'Kubelet, proxy, network and DNS meet only in agent/agent.ts.' },
  { folder: 'agent/dns', mayImport: agent, why: 'Kubelet, proxy, network and DNS meet only in agent/agent.ts.' },
  {
    folder: 'lab',
    mayImport: ['api', 'client', 'control/pki', 'agent'],
    why: 'lab/ lays out machines: it runs no part of the control plane itself.',
  },
  { folder: 'cli', mayImport: ['api', 'client', 'control', 'agent', 'lab'], why: 'cli/ imports no tests and no benches.' },
  { folder: 'deploy', mayImport: ['agent/host', 'cli', 'lab'], why: 'deploy/ packs the program that lab/ and cli/ describe.' },
  {
    folder: 'bench',
    mayImport: ['api', 'client', 'control', 'agent', 'lab', 'cli', 'test'],
    why: 'bench/ measures what the program offers.',
  },
  {
    folder: 'sim',
    mayImport: ['api', 'client', 'control'],
    why: 'sim/ runs the control plane: it knows api/, client/ and control/ only.',
  },
  { folder: 'lint', mayImport: [], why: 'The lint rules know no code.' },
];

/**
 * Functions that open, read or remove by path. They would block at a FIFO, follow a link or enter a mount. Where containers can
 * plant files, use `agent/host/safe-open.ts` and `remove-tree.ts` instead.
 */
const pathFunctions =
  /^(open|openSync|readFile|readFileSync|writeFile|writeFileSync|appendFile|appendFileSync|createReadStream|createWriteStream|copyFile|cp|truncate|rename|unlink|promises|default|\*)$/;
const fileSystem = /^(node:)?fs(\/promises)?$/;

/** The finding for a name that is imported from Node's file system module; undefined when it is allowed. */
export function judgeFileAccess(file: string, specifier: string, name: string): string | undefined {
  if (!fileSystem.test(specifier) || testFile.test(file) || !pathFunctions.test(name)) return undefined;
  const isExposed = isWithin(file, 'agent/kubelet') || isWithin(file, 'agent/runtime/docker');
  return isExposed ? 'A container may have planted that file: use agent/host/safe-open.ts or remove-tree.ts.' : undefined;
}

/** Test files. They may import everything, and production code must not import them. */
const testFile =
  /\.(test|suite|contract|testing)\.ts$|(^|\/)(netns|fixtures?|fakes?)\/|(^|\/)(fixtures?|fakes?|fake-[^/]*)\.ts$|^test\//;
const childProcess = /^(node:)?child_process$/;
const root = fileURLToPath(new URL('..', import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { devDependencies: object };
const developmentPackages: ReadonlySet<string> = new Set(Object.keys(devDependencies));

/**
 * The finding for an import; undefined when it is allowed.
 * @param file path of the importing file in the repository
 * @param specifier as written: `#api/meta.ts`, `../../agent/host/exec.ts`, `node:child_process`
 */
export function judge(file: string, specifier: string): string | undefined {
  const isTest = testFile.test(file);
  if (childProcess.test(specifier))
    return isTest || isWithin(file, 'agent/host') || file === 'bin/bootstrap.mjs'
      ? undefined
      : 'agent/host is the only importer of child_process.';
  if (isTest) return undefined;
  if (developmentPackages.has(packageOf(specifier)))
    return 'Production code imports no development dependency: "npm ci --omit=dev" leaves it out.';
  const target = targetOf(file, specifier);
  if (target === undefined) return undefined;
  if (testFile.test(target) && !file.startsWith('bench/')) return 'Production code imports nothing that tests are made of.';
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === undefined || to === undefined || from === to) return undefined;
  return from.mayImport.some((folder) => isWithin(target, folder)) ? undefined : from.why;
}

/** The package of a specifier: `@scope/name/deep` → `@scope/name`. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/**
 * The finding for a value (not a type) that is imported from the table of built-in kinds; undefined when it is allowed. Code that
 * reads the table does not see the kinds that are added at run time.
 */
export function judgeTable(file: string, specifier: string): string | undefined {
  if (targetOf(file, specifier) !== 'api/resources.ts' || file === 'api/resource-catalog.ts') return undefined;
  return 'Only api/resource-catalog.ts reads the table of built-in kinds: take a ResourceCatalog as a parameter.';
}

/** The path in the repository; undefined for packages and Node's own modules. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier.startsWith('#')) return normalize(specifier.slice(1));
  return specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : undefined;
}

const isWithin = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

function roomOf(path: string): Room | undefined {
  const holding = rooms.filter(({ folder }) => isWithin(path, folder));
  return holding.sort((a, b) => b.folder.length - a.folder.length)[0];
}

/** The parts of an ESTree node that the rule reads. */
interface ModuleReference {
  source?: Literal | null;
  importKind?: string;
  exportKind?: string;
  specifiers?: { type: string; importKind?: string; exportKind?: string; imported?: { name?: string } }[];
  callee?: { type: string; name?: string };
  arguments?: Literal[];
  /** Of `import x = require('…')`. */
  moduleReference?: { expression?: Literal };
  /** Of `object.property`. */
  property?: { name?: string };
  /** Of an export: what it declares; null for \`export { … }\`. */
  declaration?: object | null;
  range?: readonly [start: number, end: number];
}
interface Literal {
  type: string;
  value?: unknown;
  /** Of a template: the texts between its expressions. */
  quasis?: { value: { cooked: string } }[];
  name?: string;
}

/** The text of a string or of a template without expressions; undefined for what is only known at run time. */
const textOf = (literal: Literal | null | undefined): string | undefined => {
  if (literal?.type === 'TemplateLiteral') return literal.quasis?.length === 1 ? literal.quasis[0]?.value.cooked : undefined;
  return typeof literal?.value === 'string' ? literal.value : undefined;
};

/** Ways to a module of Node that no import statement shows; `sim/host.ts` alone needs one, to replace the modules of a world. */
const loaders = new Set(['createRequire', 'getBuiltinModule']);
const judgeLoader = (file: string, name: string | undefined): string | undefined =>
  name === undefined || !loaders.has(name) || testFile.test(file) || file === 'sim/host.ts'
    ? undefined
    : `${name} hides what is imported: use an import.`;

interface RuleContext {
  filename: string;
  sourceCode: { text: string };
  report(problem: { node: ModuleReference; message: string }): void;
}

const boundaries = {
  create(context: RuleContext) {
    const file = relative(root, context.filename);
    const check = (node: ModuleReference, literal: Literal | null | undefined): void => {
      const specifier = textOf(literal);
      const message = specifier === undefined ? undefined : judge(file, specifier);
      if (message !== undefined) context.report({ node, message });
    };
    /** Reports values of the table in an import or export statement, unless the statement, or each of its names, is a type. */
    const ofValues = (node: ModuleReference, kind: string | undefined, names: readonly (string | undefined)[]): void => {
      const specifier = textOf(node.source);
      if (specifier === undefined || kind === 'type' || !names.some((name) => name !== 'type')) return;
      const message = judgeTable(file, specifier);
      if (message !== undefined) context.report({ node, message });
    };
    const ofFiles = (node: ModuleReference, name: string): void => {
      const message = judgeFileAccess(file, textOf(node.source) ?? '', name);
      if (message !== undefined) context.report({ node, message });
    };
    const ofLoader = (node: ModuleReference, name: string | undefined): void => {
      const message = judgeLoader(file, name);
      if (message !== undefined) context.report({ node, message });
    };
    const ofSource = (node: ModuleReference): void => check(node, node.source);
    return {
      ImportDeclaration(node: ModuleReference): void {
        ofSource(node);
        ofValues(node, node.importKind, node.specifiers?.map(({ importKind }) => importKind) ?? []);
        for (const { type, imported } of node.specifiers ?? []) {
          ofFiles(node, imported?.name ?? (type === 'ImportNamespaceSpecifier' ? '*' : 'default'));
          ofLoader(node, imported?.name);
        }
      },
      ExportNamedDeclaration(node: ModuleReference): void {
        ofSource(node);
        ofValues(node, node.exportKind, node.specifiers?.map(({ exportKind }) => exportKind) ?? []);
      },
      ExportAllDeclaration(node: ModuleReference): void {
        ofSource(node);
        ofValues(node, node.exportKind, ['value']);
      },
      ImportExpression(node: ModuleReference): void {
        ofSource(node);
        ofValues(node, 'value', ['value']);
        ofFiles(node, '*');
      },
      TSImportType: ofSource,
      TSImportEqualsDeclaration: (node: ModuleReference): void => check(node, node.moduleReference?.expression),
      MemberExpression: (node: ModuleReference): void => ofLoader(node, node.property?.name),
      CallExpression(node: ModuleReference): void {
        if (node.callee?.type === 'Identifier' && node.callee.name === 'require') check(node, node.arguments?.[0]);
      },
    };
  },
};

const docstrings = {
  create(context: RuleContext) {
    const file = relative(root, context.filename);
    return {
      ExportNamedDeclaration(node: ModuleReference): void {
        if (!node.declaration) return;
        const message = judgeExport(file, context.sourceCode.text.slice(0, node.range?.[0]));
        if (message !== undefined) context.report({ node, message });
      },
    };
  },
};

export default { meta: { name: 'tinkernetes' }, rules: { boundaries, docstrings } };
