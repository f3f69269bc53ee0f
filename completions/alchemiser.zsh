#compdef alchemiser

_alchemiser_completion() {
  eval $(env _TYPER_COMPLETE_ARGS="${words[1,$CURRENT]}" _ALCHEMISER_COMPLETE=complete_zsh alchemiser)
}

compdef _alchemiser_completion alchemiser
