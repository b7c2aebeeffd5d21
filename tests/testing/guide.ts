// A guide as a program: its headings say what to do, its fenced blocks with what.

/** One step. */
export interface Step {
  heading: string;
  /** The contents of the fenced blocks below the heading, in order. */
  blocks: string[];
}

/** The steps of a guide: its headings that begin with a number. */
export function readSteps(markdown: string): Step[] {
  return markdown.split(/^## (?=\d+\. )/m).slice(1).map((section) => {
    const [heading] = section.split("\n", 1);
    const own = section.split(/^## /m)[0];
    return { heading, blocks: [...own.matchAll(/^```\w+\n([\s\S]*?)^```$/gm)].map((match) => match[1]) };
  });
}

/** What is quoted in a heading: "3. Write `a.ts`" → "a.ts". */
export function pathIn({ heading }: Step): string {
  const path = /`([^`]+)`/.exec(heading)?.[1];
  if (!path) throw new Error(`The heading "${heading}" names no file`);
  return path;
}
