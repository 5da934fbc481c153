/** How fast something goes, by its last seconds: an average from the beginning would not tell that the line has become slow. */
export class Pace {
  private readonly samples: [at: number, bytes: number][] = [];

  /** Notes that so many bytes are done at a time in milliseconds. */
  note(bytes: number, at: number) {
    // What failed and is sent again does not count as going backwards.
    if (bytes < (this.samples.at(-1)?.[1] ?? 0)) this.samples.length = 0;
    this.samples.push([at, bytes]);
    while (this.samples.length > 2 && at - this.samples[1]![0] > 10_000) this.samples.shift();
  }

  /** Bytes a second; undefined until two seconds were seen. */
  get perSecond(): number | undefined {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (first === undefined || last === undefined || last[0] - first[0] < 2_000) return undefined;
    return ((last[1] - first[1]) / (last[0] - first[0])) * 1000;
  }
}
