/**
 * Lets files fall to nowhere that are dropped where nothing takes them. A browser opens such a file in the place of the page: what was
 * typed would be gone, and what is being sent would end.
 */
export function refuseStrayFiles() {
  const refuse = (event: DragEvent) => {
    // Whoever takes the file was asked before, as the window is told last.
    if (event.defaultPrevented || event.dataTransfer?.types.includes("Files") !== true) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  };
  window.addEventListener("dragover", refuse);
  window.addEventListener("drop", refuse);
}
