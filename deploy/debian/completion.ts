/** Completions of bash: the names of flags and commands. Pure. Source: bash(1), Programmable Completion. */

/** The completion of a component: its flags. */
export const componentCompletion = (name: string, flags: readonly string[]): string =>
  completion(name, `words='${flags.map((flag) => `--${flag}`).join(' ')}'`);

/** The completion of `tinker`: first a command, then its flags; of `token` and `store`, their own commands, and the flags of those. */
export function tinkerCompletion(commands: readonly { name: string; flags: readonly { name: string }[] }[]): string {
  const words = new Map<string, Set<string>>();
  for (const { name, flags } of commands) {
    const [first = '', ...second] = name.split(' ');
    words.set(first, new Set([...(words.get(first) ?? []), ...second, ...flags.map((flag) => flag.name)]));
  }
  const cases = [...words].map(([name, known]) => `    ${name}) words='${[...known].join(' ')}' ;;`);
  const first = `    *) [ "$COMP_CWORD" -gt 1 ] || words='${[...words.keys()].join(' ')}' ;;`;
  return completion('tinker', ['case "${COMP_WORDS[1]}" in', ...cases, first, '  esac'].join('\n'));
}

function completion(name: string, words: string): string {
  const called = `_${name.replaceAll('-', '_')}`;
  return `# bash completion for ${name}
${called}() {
  local words=''
  ${words}
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F ${called} ${name}
`;
}
