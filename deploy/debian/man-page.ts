/** Manual pages in roff, made of the same flags that the programs read. Pure. Source: man(7). */
import type { FlagSet } from '#cli/components/flag-set.ts';

/** Text in which nothing is a command of roff. */
const plain = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/^([.'])/gm, '\\&$1');

const heading = (name: string, version: string): string => `.TH ${name.toUpperCase()} 8 "" "tinkernetes ${version}" "Kubernetes"`;

/** The page of a component. */
export function componentPage(name: string, version: string, flags: Pick<FlagSet<object>, 'description'>): string {
  const { long, sections } = flags.description;
  const [first = ''] = long.split(/(?<=\.) /);
  const lines = [
    heading(name, version),
    '.SH NAME',
    `${plain(name)} \\- ${plain(first.replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${plain(name)}`,
    '[flags]',
    '.SH DESCRIPTION',
    plain(long),
  ];
  for (const { title, flags: list } of sections) {
    lines.push(`.SH ${title.toUpperCase()} FLAGS`);
    for (const { name: flag, type, text } of list)
      lines.push('.TP', `\\fB\\-\\-${plain(flag)}\\fR${type === '' ? '' : ` \\fI${plain(type)}\\fR`}`, plain(text));
  }
  return `${lines.join('\n')}\n`;
}

/** A command of `tinker`. */
export interface TinkerCommand {
  name: string;
  description: string;
  flags: readonly { name: string; text: string }[];
}

/** The page of `tinker`. */
export function tinkerPage(version: string, commands: readonly TinkerCommand[]): string {
  const lines = [
    heading('tinker', version),
    '.SH NAME',
    'tinker \\- a Kubernetes cluster that you can take apart',
    '.SH SYNOPSIS',
    '.B tinker',
    '.I command',
    '[flags]',
    '.SH COMMANDS',
  ];
  for (const { name, description, flags } of commands) {
    lines.push(`.SS ${plain(name)}`, plain(description));
    for (const { name: flag, text } of flags) lines.push('.TP', `\\fB${plain(flag)}\\fR`, plain(text));
  }
  return `${lines.join('\n')}\n`;
}
