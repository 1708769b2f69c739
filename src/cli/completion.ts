import type { Command, Option } from 'commander';

export const SHELLS = ['bash', 'zsh'] as const;

/** What may follow on the command line after the words of a command. */
interface Place {
  /** The words after the program's name; empty for the program itself. */
  readonly path: string;
  /** Subcommands and flags. */
  readonly words: readonly string[];
  /** Flags with a closed set of values. */
  readonly choices: ReadonlyMap<string, readonly string[]>;
  /** Flags whose value is a file or something else that is free. */
  readonly free: readonly string[];
}

/**
 * A script that completes commands, flags and their values. It is text alone: completing starts no process. The one for zsh is
 * that for bash, which zsh runs by its own `bashcompinit`.
 */
export function completionScript(program: Command, shell: (typeof SHELLS)[number]): string {
  const name = program.name();
  const shown = `_${name.replaceAll('-', '_')}`;
  const places = placesIn(program, []);
  const lines = [
    ...(shell === 'zsh' ? ['autoload -U +X compinit && compinit', 'autoload -U +X bashcompinit && bashcompinit'] : []),
    `${shown}() {`,
    `  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} chosen= word`,
    '  COMPREPLY=()',
    `  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do`,
    '    case "$chosen $word" in',
    `      ${places.flatMap(({ path }) => (path === '' ? [] : [`"${patternOf(path)}"`])).join('|')}) chosen="\${chosen:+$chosen }$word" ;;`,
    '    esac',
    '  done',
    '  case "$chosen $previous" in',
    ...places.flatMap(flagCases),
    '  esac',
    '  case "$chosen" in',
    ...places.map(
      ({ path, words }) => `    "${path}") COMPREPLY=($(compgen -W "${words.join(' ')}" -- "$current")) ;;`,
    ),
    '  esac',
    '}',
    `complete -o default -F ${shown} ${name}`,
  ];
  return lines.join('\n');
}

/** The text of `"$chosen $word"` where the word continues the path. */
function patternOf(path: string): string {
  return path.includes(' ') ? path : ` ${path}`;
}

function flagCases({ path, choices, free }: Place): readonly string[] {
  return [
    ...[...choices].map(
      ([flag, values]) =>
        `    "${path} ${flag}") COMPREPLY=($(compgen -W "${values.join(' ')}" -- "$current")); return ;;`,
    ),
    ...(free.length === 0 ? [] : [`    ${free.map((flag) => `"${path} ${flag}"`).join('|')}) return ;;`]),
  ];
}

function placesIn(command: Command, above: readonly string[]): readonly Place[] {
  const flags = command.createHelp().visibleOptions(command);
  const valued = flags.filter(({ required, optional }) => required || optional);
  const arguments_ = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices);
  const place: Place = {
    path: above.join(' '),
    words: [...command.commands.map((each) => each.name()), ...arguments_, ...flags.flatMap(namesOf)],
    choices: new Map(valued.flatMap((flag) => (flag.argChoices ? [[flag.long ?? '', flag.argChoices] as const] : []))),
    free: valued.flatMap(({ long, argChoices }) => (long && !argChoices ? [long] : [])),
  };
  return [place, ...command.commands.flatMap((each) => placesIn(each, [...above, each.name()]))];
}

function namesOf({ long, short }: Option): readonly string[] {
  return [long, short].flatMap((name) => (name === undefined || name === null ? [] : [name]));
}
