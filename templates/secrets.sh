# Makes each file of a folder a variable of a program, which then takes its place.
# Arguments: FOLDER COPIES PROGRAM…; in the folder COPIES, unless it is empty, the program's user finds the same files.
devenv_from=$1 devenv_to=$2
shift 2
for devenv_file in "$devenv_from"/*; do
  [ -f "$devenv_file" ] || continue
  devenv_name=${devenv_file##*/}
  devenv_value= devenv_line=
  # The image need not have `cat`, and `$(…)` would drop line ends.
  while IFS= read -r devenv_line; do
    devenv_value="$devenv_value$devenv_line
"
  done <"$devenv_file"
  devenv_value=$devenv_value$devenv_line
  export "$devenv_name=$devenv_value"
  [ -z "$devenv_to" ] || (umask 077 && printf %s "$devenv_value" >"$devenv_to/$devenv_name")
done
unset devenv_from devenv_to devenv_file devenv_name devenv_value devenv_line
exec "$@"
